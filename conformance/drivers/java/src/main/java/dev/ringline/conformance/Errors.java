package dev.ringline.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.Durations;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.ringline.RinglineException;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Map;

/** Errors as the runner wants them. */
final class Errors {
  private Errors() {}

  /** An error of the SDK, or of the driver, that could not do as it was told. */
  static JsonObject explained(Throwable error) {
    if (!(error instanceof RinglineException failed)) {
      return report("UNKNOWN", "driver: " + error);
    }
    JsonObject report = report(failed.code().name(), failed.description());
    if (!failed.reasonName().isEmpty()) {
      reason(report, failed.reasonName(), failed.metadata());
    }
    if (!failed.fields().isEmpty()) {
      fields(
          report, failed.fields().stream().map(RinglineException.FieldViolation::field).toList());
    }
    if (!failed.retryAfter().isZero()) {
      report.addProperty("retryAfter", failed.retryAfter().toNanos() / 1e9);
    }
    return report;
  }

  /** How an RPC of the stubs ended, its details read without the SDK. */
  static JsonObject of(Status status, Metadata trailers) {
    if (status.isOk()) {
      JsonObject fine = new JsonObject();
      fine.addProperty("code", "OK");
      return fine;
    }
    JsonObject report = report(status.getCode().name(), status.getDescription());
    try {
      for (Any detail : StatusProto.fromStatusAndTrailers(status, trailers).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          reason(report, info.getReason(), info.getMetadataMap());
        } else if (detail.is(BadRequest.class)) {
          fields(
              report,
              detail.unpack(BadRequest.class).getFieldViolationsList().stream()
                  .map(BadRequest.FieldViolation::getField)
                  .toList());
        } else if (detail.is(RetryInfo.class)) {
          var delay = detail.unpack(RetryInfo.class).getRetryDelay();
          report.addProperty("retryAfter", Durations.toNanos(delay) / 1e9);
        }
      }
    } catch (InvalidProtocolBufferException e) {
      return report("UNKNOWN", "driver: " + e);
    }
    return report;
  }

  private static JsonObject report(String code, String message) {
    JsonObject report = new JsonObject();
    report.addProperty("code", code);
    report.addProperty("message", message == null ? "" : message);
    return report;
  }

  private static void reason(JsonObject report, String reason, Map<String, String> metadata) {
    report.addProperty("reason", reason);
    JsonObject pairs = new JsonObject();
    metadata.forEach(pairs::addProperty);
    report.add("metadata", pairs);
  }

  private static void fields(JsonObject report, List<String> names) {
    JsonArray fields = new JsonArray();
    names.forEach(fields::add);
    report.add("fields", fields);
  }
}
