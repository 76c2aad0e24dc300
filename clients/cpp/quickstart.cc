#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <iostream>

#include "ringline/v1/call_service.grpc.pb.h"

namespace v1 = ringline::v1;

int main() {
  const char* address = std::getenv("RINGLINE_ADDRESS");
  const auto channel = grpc::CreateChannel(address ? address : "localhost:50051", grpc::InsecureChannelCredentials());
  const auto ringline = v1::CallService::NewStub(channel);
  grpc::ClientContext watching;
  watching.AddMetadata("x-user-id", "my friend");
  v1::WatchCallsRequest incoming;
  incoming.add_directions(v1::CALL_DIRECTION_INCOMING);
  const auto stream = ringline->WatchCalls(&watching, incoming);
  for (v1::WatchCallsResponse message; stream->Read(&message);) {
    const v1::CallChange& change = message.change();
    if (change.kind() != v1::CHANGE_KIND_ADDED) continue;
    grpc::ClientContext joining;
    joining.AddMetadata("x-user-id", "my friend");
    v1::JoinCallRequest answer;
    answer.set_type(change.call().type());
    answer.set_id(change.call().id());
    answer.set_ring_id(change.viewer().ring_id());
    v1::JoinCallResponse joined;
    const grpc::Status status = ringline->JoinCall(&joining, answer, &joined);
    std::cout << (status.ok() ? "answered " + change.viewer().ringer_id() : status.error_message()) << std::endl;
  }
  std::cerr << stream->Finish().error_message() << std::endl;
  return 1;
}
