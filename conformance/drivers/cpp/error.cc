#include "error.h"

#include <google/protobuf/util/time_util.h>

#include "google/rpc/code.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

using google::protobuf::util::TimeUtil;
using ringline::conformance::Error;

Error explained(const grpc::Status& status) {
  Error error;
  error.set_code(google::rpc::Code_Name(static_cast<google::rpc::Code>(status.error_code())));
  error.set_message(status.error_message());
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  google::rpc::RetryInfo retry;
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) {
      error.set_reason(info.reason());
      *error.mutable_metadata() = info.metadata();
    } else if (detail.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) error.add_fields(violation.field());
    } else if (detail.UnpackTo(&retry)) {
      error.set_retry_after(static_cast<double>(TimeUtil::DurationToNanoseconds(retry.retry_delay())) / 1e9);
    }
  }
  return error;
}

Error explained(const std::exception& error) {
  Error report;
  report.set_code("UNKNOWN");
  report.set_message(std::string("driver: ") + error.what());
  return report;
}
