package dev.ringline;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.ringline.v1.ErrorReason;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What an RPC failed with: the server refused, or could not be reached. */
public final class RinglineException extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final String DOMAIN = "ringline";
  private static final String PREFIX = "ERROR_REASON_";

  /** The canonical code. */
  private final Status.Code code;

  /** Why the server refused, empty if it did not. */
  private final String reasonName;

  /** What to do next. */
  private final String description;

  private final transient Map<String, String> metadata;
  private final transient List<FieldViolation> fields;

  /** How long to wait. */
  private final Duration retryAfter;

  /**
   * A field of a request that is out of its bounds.
   *
   * @param field its path in the request, such as {@code data.members[1].user_id}
   * @param description what would be right
   */
  public record FieldViolation(String field, String description) {}

  RinglineException(Status.Code code, String description, Throwable cause) {
    super(code + ": " + description, cause);
    this.code = code;
    this.description = description;
    reasonName = "";
    metadata = Map.of();
    fields = List.of();
    retryAfter = Duration.ZERO;
  }

  private RinglineException(Status status, Details details) {
    super(
        status.getCode()
            + (details.reason.isEmpty() ? "" : " " + details.reason)
            + ": "
            + text(status),
        status.getCause());
    code = status.getCode();
    description = text(status);
    reasonName = details.reason;
    metadata = details.metadata;
    fields = details.fields;
    retryAfter = details.retryAfter;
  }

  private static final class Details {
    private String reason = "";
    private Map<String, String> metadata = Map.of();
    private List<FieldViolation> fields = List.of();
    private Duration retryAfter = Duration.ZERO;
  }

  static RinglineException of(Status status, Metadata trailers) {
    Details found = new Details();
    com.google.rpc.Status told = StatusProto.fromStatusAndTrailers(status, trailers);
    for (Any detail : told.getDetailsList()) {
      unpacked(detail, ErrorInfo.class)
          .filter(info -> info.getDomain().equals(DOMAIN))
          .ifPresent(
              info -> {
                found.reason = info.getReason();
                found.metadata = Map.copyOf(info.getMetadataMap());
              });
      unpacked(detail, BadRequest.class)
          .ifPresent(
              bad ->
                  found.fields =
                      bad.getFieldViolationsList().stream()
                          .map(one -> new FieldViolation(one.getField(), one.getDescription()))
                          .toList());
      unpacked(detail, RetryInfo.class)
          .map(RetryInfo::getRetryDelay)
          .ifPresent(
              wait -> found.retryAfter = Duration.ofSeconds(wait.getSeconds(), wait.getNanos()));
    }
    return new RinglineException(status, found);
  }

  private static <M extends Message> Optional<M> unpacked(Any detail, Class<M> type) {
    try {
      return detail.is(type) ? Optional.of(detail.unpack(type)) : Optional.empty();
    } catch (InvalidProtocolBufferException e) {
      return Optional.empty(); // whoever stands between sent it; the code is still true
    }
  }

  private static String text(Status status) {
    return status.getDescription() == null ? "" : status.getDescription();
  }

  /**
   * Returns the canonical code.
   *
   * @return the code
   */
  public Status.Code code() {
    return code;
  }

  /**
   * Returns why the server refused; what each reason means is said in the contract. Treat one you
   * do not know by the code.
   *
   * @return the reason; UNSPECIFIED if it was not the server that refused, UNRECOGNIZED if a newer
   *     server did
   */
  public ErrorReason reason() {
    if (reasonName.isEmpty()) {
      return ErrorReason.ERROR_REASON_UNSPECIFIED;
    }
    var known = ErrorReason.getDescriptor().findValueByName(PREFIX + reasonName);
    return known == null ? ErrorReason.UNRECOGNIZED : ErrorReason.valueOf(known);
  }

  /**
   * Returns the reason as it was told, such as {@code RING_OVER}.
   *
   * @return the reason, empty if there is none
   */
  public String reasonName() {
    return reasonName;
  }

  /**
   * Returns what to do next, to be shown.
   *
   * @return the server's message, or the library's
   */
  public String description() {
    return description;
  }

  /**
   * Returns the parts of the reason that vary, such as {@code device_id} of JOINED_ELSEWHERE.
   *
   * @return the metadata
   */
  public Map<String, String> metadata() {
    return metadata == null ? Map.of() : metadata;
  }

  /**
   * Returns the fields of the request that are out of bounds.
   *
   * @return the fields
   */
  public List<FieldViolation> fields() {
    return fields == null ? List.of() : fields;
  }

  /**
   * Returns how long the server asks to wait before the next attempt.
   *
   * @return the time, zero if it asks for nothing
   */
  public Duration retryAfter() {
    return retryAfter;
  }
}
