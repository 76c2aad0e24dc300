#include "client.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/wrappers.pb.h>

#include <chrono>
#include <stdexcept>

namespace v1 = ringline::v1;
using google::protobuf::Message;
using google::protobuf::util::JsonStringToMessage;
using google::protobuf::util::MessageToJsonString;
using Stub = v1::CallService::Stub;

namespace {

void check(const google::protobuf::util::Status& status) {
  if (!status.ok()) throw std::invalid_argument(status.ToString());
}

// Says in one message what another says, if their JSON is the same.
void convert(const Message& from, Message* to) {
  std::string json;
  check(MessageToJsonString(from, &json));
  check(JsonStringToMessage(json, to));
}

std::string from_base64(const std::string& text) {
  google::protobuf::BytesValue bytes;
  check(JsonStringToMessage('"' + text + '"', &bytes));
  return bytes.value();
}

bool is_binary(const std::string& key) { return key.size() > 4 && key.substr(key.size() - 4) == "-bin"; }

using Method = std::function<grpc::Status(Stub&, grpc::ClientContext*, const Json&, Json*)>;

template <class Request, class Response>
Method method(grpc::Status (Stub::*call)(grpc::ClientContext*, const Request&, Response*)) {
  return [call](Stub& stub, grpc::ClientContext* context, const Json& fields, Json* shown) {
    Request request;
    convert(fields, &request);
    Response response;
    const grpc::Status status = (stub.*call)(context, request, &response);
    if (status.ok()) convert(response, shown);
    return status;
  };
}

const std::map<std::string, Method> methods = {
    {"GetOrCreateCall", method(&Stub::GetOrCreateCall)},
    {"GetCall", method(&Stub::GetCall)},
    {"ListCalls", method(&Stub::ListCalls)},
    {"UpdateCall", method(&Stub::UpdateCall)},
    {"UpdateCallMembers", method(&Stub::UpdateCallMembers)},
    {"RingCall", method(&Stub::RingCall)},
    {"JoinCall", method(&Stub::JoinCall)},
    {"RejectCall", method(&Stub::RejectCall)},
    {"CancelCall", method(&Stub::CancelCall)},
    {"LeaveCall", method(&Stub::LeaveCall)},
    {"EndCall", method(&Stub::EndCall)},
    {"ListCallEvents", method(&Stub::ListCallEvents)},
    {"ListEvents", method(&Stub::ListEvents)},
};

}  // namespace

void Watch::pause() {
  const std::lock_guard lock(mutex_);
  paused_ = true;
}

void Watch::resume() {
  const std::lock_guard lock(mutex_);
  paused_ = false;
  changed_.notify_all();
}

void Watch::cancel() {
  Call::cancel();
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

void Watch::wait_while_paused() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !paused_ || cancelled_; });
}

// Gives an RPC the metadata, and lets `close` find it while it is under way.
class Client::UnderWay {
 public:
  UnderWay(Client& client, Call& call) : client_(client), call_(call) {
    for (const auto& [key, value] : client.metadata_) call.context.AddMetadata(key, value);
    const std::lock_guard lock(client.mutex_);
    client.under_way_.insert(&call);
    if (client.closed_) call.cancel();
  }
  ~UnderWay() {
    const std::lock_guard lock(client_.mutex_);
    client_.under_way_.erase(&call_);
  }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

 private:
  Client& client_;
  Call& call_;
};

Client::Client(const std::string& address, const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) metadata_[key] = is_binary(key) ? from_base64(value) : value;
  grpc::ChannelArguments arguments;
  // Channels to one address share connections otherwise.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(-1);
  stub_ = v1::CallService::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

grpc::Status Client::unary(const std::string& method, const Json& request, std::optional<double> timeout,
                           Json* response) {
  const auto found = methods.find(method);
  if (found == methods.end()) throw std::invalid_argument("there is no method " + method);
  Call call;
  if (timeout) {
    const auto left = std::chrono::microseconds(static_cast<long>(*timeout * 1e6));
    call.context.set_deadline(std::chrono::system_clock::now() + left);
  }
  const UnderWay under_way(*this, call);
  return found->second(*stub_, &call.context, request, response);
}

grpc::Status Client::read(Watch& watch, const Json& request, const std::function<void(const Json&)>& tell) {
  v1::WatchCallsRequest parsed;
  convert(request, &parsed);
  const UnderWay under_way(*this, watch);
  const auto stream = stub_->WatchCalls(&watch.context, parsed);
  for (v1::WatchCallsResponse message; stream->Read(&message);) {
    Json shown;
    convert(message, &shown);
    tell(shown);
    watch.wait_while_paused();
  }
  return stream->Finish();
}

void Client::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Call* call : under_way_) call->cancel();
}
