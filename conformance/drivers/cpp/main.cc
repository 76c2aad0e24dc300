// The conformance driver for C++: what it must do is in conformance/protocol.md. Commands come on stdin, reports go to
// stdout.
#include <google/protobuf/stubs/common.h>
#include <google/protobuf/util/json_util.h>

#include <future>
#include <iostream>
#include <vector>

#include "client.h"
#include "error.h"

using ringline::conformance::Command;
using ringline::conformance::Report;

namespace {

// Writes a report, a line each, from any thread.
void send(const Report& report) {
  std::string line;
  const auto status = google::protobuf::util::MessageToJsonString(report, &line);
  if (!status.ok()) throw std::runtime_error(status.ToString());
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::cout << line << std::endl;
}

// Does what the runner says. Whatever may take long runs on a thread of its own.
class Driver {
 public:
  void take(const Command& command) {
    Report answer;
    answer.set_id(command.id());
    try {
      if (command.op() == "unary") return unary(command);
      if (command.op() == "watch") return watch(command);
      at_once(command, &answer);
    } catch (const std::exception& error) {
      *answer.mutable_error() = explained(error);
    }
    send(answer);
  }

  void close() {
    for (const auto& [name, client] : clients_) client->close();
    beside_.clear();
  }

 private:
  void at_once(const Command& command, Report* answer) {
    const std::string& op = command.op();
    if (op == "hello") {
      answer->set_language("cpp");
      answer->set_sdk(false);
      (*answer->mutable_versions())["grpc"] = grpc::Version();
      (*answer->mutable_versions())["protobuf"] = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
    } else if (op == "connect") {
      const std::map<std::string, std::string> metadata(command.metadata().begin(), command.metadata().end());
      clients_[command.client()] = std::make_shared<Client>(command.address(), metadata);
    } else if (op == "pause") {
      watches_.at(command.watch())->pause();
    } else if (op == "resume") {
      watches_.at(command.watch())->resume();
    } else if (op == "cancel") {
      watches_.at(command.watch())->cancel();
    } else if (op == "close") {
      // The channel goes with the last RPC on it.
      clients_.at(command.client())->close();
      clients_.erase(command.client());
    } else {
      throw std::invalid_argument("there is no op " + op);
    }
  }

  void unary(const Command& command) {
    beside_.push_back(std::async(std::launch::async, [command, client = clients_.at(command.client())] {
      Report answer;
      answer.set_id(command.id());
      try {
        const auto timeout = command.has_timeout() ? std::optional(command.timeout()) : std::nullopt;
        const grpc::Status status =
            client->unary(command.method(), command.request(), timeout, answer.mutable_response());
        if (!status.ok()) {
          answer.clear_response();
          *answer.mutable_error() = explained(status);
        }
      } catch (const std::exception& error) {
        answer.clear_response();
        *answer.mutable_error() = explained(error);
      }
      send(answer);
    }));
  }

  void watch(const Command& command) {
    const auto client = clients_.at(command.client());
    const auto watch = std::make_shared<Watch>();
    watches_[command.watch()] = watch;
    Report answer;
    answer.set_id(command.id());
    send(answer);
    beside_.push_back(std::async(std::launch::async, [command, client, watch] {
      Report end;
      end.set_watch(command.watch());
      try {
        *end.mutable_end() = explained(client->read(*watch, command.request(), [&command](const Json& message) {
          Report report;
          report.set_watch(command.watch());
          *report.mutable_message() = message;
          send(report);
        }));
      } catch (const std::exception& error) {
        *end.mutable_end() = explained(error);
      }
      send(end);
    }));
  }

  std::map<std::string, std::shared_ptr<Client>> clients_;
  std::map<std::string, std::shared_ptr<Watch>> watches_;
  std::vector<std::future<void>> beside_;
};

}  // namespace

int main() {
  Driver driver;
  for (std::string line; std::getline(std::cin, line);) {
    Command command;
    const auto status = google::protobuf::util::JsonStringToMessage(line, &command);
    if (status.ok()) {
      driver.take(command);
    } else {
      std::cerr << "driver: " << status.ToString() << std::endl;
    }
  }
  driver.close();
}
