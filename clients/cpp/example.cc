#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "google/rpc/code.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "ringline/v1/call_service.grpc.pb.h"

namespace v1 = ringline::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using Stub = v1::CallService::Stub;

// What goes with an RPC: who one is. A server in development believes it; in production, send `authorization: Bearer
// TOKEN`.
struct Context : grpc::ClientContext {
  explicit Context(const std::string& user) {
    // A name may have any letters, so it is sent as bytes.
    AddMetadata("x-user-id-bin", user);
    AddMetadata("x-device-id", "example");
  }
};

// The same for an RPC that is soon answered.
struct ShortContext : Context {
  explicit ShortContext(const std::string& user) : Context(user) { set_deadline(system_clock::now() + seconds(10)); }
};

// Why the server refused: a name of ErrorReason without its prefix.
std::string reason_of(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return google::rpc::Code_Name(static_cast<google::rpc::Code>(status.error_code()));
}

// An RPC that failed.
struct Refused : std::runtime_error {
  explicit Refused(const grpc::Status& status)
      : std::runtime_error(reason_of(status) + ", " + status.error_message()) {}
};

void check(const grpc::Status& status) {
  if (!status.ok()) throw Refused(status);
}

// A text that nobody else has.
std::string unique() {
  std::random_device random;
  std::ostringstream text;
  for (int part = 0; part < 4; ++part) text << std::hex << std::setfill('0') << std::setw(8) << random();
  return text.str();
}

// How long it rings yet. Both times are the server's: the clock of this machine may be wrong.
long seconds_left(const v1::WatchCallsResponse& message) {
  return message.change().viewer().ring_expires_at().seconds() - message.server_time().seconds();
}

// Watches for as long as `go_on` wants more. A server that is away is waited for, and a lost stream goes on where it
// ended.
void watch(Stub& ringline, const std::string& user, v1::WatchCallsRequest request,
           const std::function<bool(const v1::WatchCallsResponse&)>& go_on) {
  for (;;) {
    Context context(user);
    context.set_wait_for_ready(true);
    const auto stream = ringline.WatchCalls(&context, request);
    for (v1::WatchCallsResponse message; stream->Read(&message);) {
      if (!message.resume_token().empty()) request.set_resume_token(message.resume_token());
      if (go_on(message)) continue;
      context.TryCancel();
      stream->Finish();
      return;
    }
    const grpc::Status status = stream->Finish();
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      // At random, so that after a restart not everybody comes back at once.
      std::this_thread::sleep_for(milliseconds(std::random_device()() % 1000));
    } else {
      check(status);
    }
  }
}

// Rings the others, and hangs up a second after one of them has answered.
void ring(Stub& ringline, const std::string& user, const std::vector<std::string>& others) {
  v1::GetOrCreateCallRequest request;
  request.set_type("default");
  request.set_id("example-" + unique());
  request.set_ring(true);
  request.mutable_data()->add_members()->set_user_id(user);
  for (const auto& other : others) request.mutable_data()->add_members()->set_user_id(other);
  request.set_request_id(unique());
  v1::GetOrCreateCallResponse rung;
  ShortContext ringing(user);
  check(ringline.GetOrCreateCall(&ringing, request, &rung));

  v1::WatchCallsRequest this_call;
  this_call.add_cids(rung.call().cid());
  v1::CallChange last;
  watch(ringline, user, this_call, [&last](const v1::WatchCallsResponse& message) {
    if (!message.has_change()) return true;
    last = message.change();
    if (last.viewer().calling_state() != v1::CALLING_STATE_RINGING) return false;
    std::cout << "ringing, for " << seconds_left(message) << " s more" << std::endl;
    return true;
  });
  if (last.viewer().calling_state() != v1::CALLING_STATE_JOINED) {
    std::cout << "over: " << v1::EndReason_Name(last.call().end_reason()) << std::endl;
    return;
  }

  std::cout << "answered; hanging up in a second" << std::endl;
  std::this_thread::sleep_for(seconds(1));
  v1::LeaveCallRequest leave;
  leave.set_type(last.call().type());
  leave.set_id(last.call().id());
  leave.set_request_id(unique());
  v1::LeaveCallResponse left;
  ShortContext leaving(user);
  check(ringline.LeaveCall(&leaving, leave, &left));
}

// Answers this ring and no later one. One that is over by now is no failure: the watch tells what became of it.
void join(Stub& ringline, const std::string& user, const v1::CallChange& change) {
  v1::JoinCallRequest request;
  request.set_type(change.call().type());
  request.set_id(change.call().id());
  request.set_ring_id(change.viewer().ring_id());
  request.set_request_id(unique());
  v1::JoinCallResponse joined;
  ShortContext context(user);
  const grpc::Status status = ringline.JoinCall(&context, request, &joined);
  if (status.ok()) return;
  if (reason_of(status) != "RING_OVER") throw Refused(status);
  std::cout << "too late: " << status.error_message() << std::endl;
}

// Answers the first ring that is still there to be answered.
void answer(Stub& ringline, const std::string& user) {
  std::cout << "waiting to be rung" << std::endl;
  v1::WatchCallsRequest incoming;
  incoming.add_directions(v1::CALL_DIRECTION_INCOMING);
  watch(ringline, user, incoming, [&](const v1::WatchCallsResponse& message) {
    const v1::CallChange& change = message.change();
    if (change.kind() == v1::CHANGE_KIND_ADDED) {
      std::cout << change.viewer().ringer_id() << " rings, for " << seconds_left(message) << " s more" << std::endl;
      join(ringline, user, change);
    } else if (change.kind() == v1::CHANGE_KIND_REMOVED) {
      std::cout << "stopped ringing: " << v1::StopReason_Name(change.stop_reason()) << std::endl;
    }
    return change.stop_reason() != v1::STOP_REASON_ACCEPTED;
  });
}

// Rings the others as this user, or, if there are none, waits to be rung and answers.
int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: example USER [WHOM-TO-RING...]" << std::endl;
    return 2;
  }
  const std::string user = argv[1];
  const std::vector<std::string> others(argv + 2, argv + argc);
  const char* address = std::getenv("RINGLINE_ADDRESS");
  grpc::ChannelArguments arguments;
  // By default it grows to two minutes while the server is away: too long for a phone.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  const auto channel =
      grpc::CreateCustomChannel(address ? address : "localhost:50051", grpc::InsecureChannelCredentials(), arguments);
  const auto ringline = v1::CallService::NewStub(channel);
  try {
    if (others.empty()) {
      answer(*ringline, user);
    } else {
      ring(*ringline, user, others);
    }
  } catch (const Refused& refused) {
    std::cerr << "refused: " << refused.what() << std::endl;
    return 1;
  }
}
