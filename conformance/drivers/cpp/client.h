#pragma once

#include <google/protobuf/struct.pb.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "ringline/v1/call_service.grpc.pb.h"

using Json = google::protobuf::Struct;

// An RPC that can be cancelled from any thread, before it has begun too.
class Call {
 public:
  virtual ~Call() = default;
  virtual void cancel() { context.TryCancel(); }

  grpc::ClientContext context;
};

// A stream that can be paused: while nothing is read, flow control holds the server back.
class Watch : public Call {
 public:
  void pause();
  void resume();
  void cancel() override;
  void wait_while_paused();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool paused_ = false;
  bool cancelled_ = false;
};

// A client of the generated stubs: one channel, and the metadata of every RPC. An RPC blocks its thread until it is
// over; others may go on beside it.
class Client {
 public:
  Client(const std::string& address, const std::map<std::string, std::string>& metadata);

  grpc::Status unary(const std::string& method, const Json& request, std::optional<double> timeout, Json* response);
  grpc::Status read(Watch& watch, const Json& request, const std::function<void(const Json&)>& tell);

  // Cancels what is under way and what comes later.
  void close();

 private:
  class UnderWay;

  std::map<std::string, std::string> metadata_;
  std::unique_ptr<ringline::v1::CallService::Stub> stub_;
  std::mutex mutex_;
  std::set<Call*> under_way_;
  bool closed_ = false;
};
