package dev.ringline;

import com.google.protobuf.Timestamp;
import dev.ringline.v1.CallSettings;
import dev.ringline.v1.UpdateCallRequest;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** What to change of a call. */
public final class UpdateOptions {
  private final UpdateCallRequest.Builder request;

  private UpdateOptions(String type, String id) {
    request =
        UpdateCallRequest.newBuilder().setType(type).setId(id).setRequestId(RequestIds.next());
  }

  static UpdateCallRequest request(String type, String id, Consumer<UpdateOptions> given) {
    UpdateOptions options = new UpdateOptions(type, id);
    given.accept(options);
    return options.request.build();
  }

  /**
   * Gives the application's own data, of what JSON can say. It replaces what was there as a whole.
   *
   * @param custom the data
   * @return this
   */
  public UpdateOptions custom(Map<String, ?> custom) {
    request.setCustom(Structs.of(custom));
    return this;
  }

  /**
   * Overrides the settings of the call's type, field by field.
   *
   * @param settings the settings
   * @return this
   */
  public UpdateOptions settings(CallSettings settings) {
    request.setSettings(settings);
    return this;
  }

  /**
   * Says when the call is meant to start. It delays nothing.
   *
   * @param time the time
   * @return this
   */
  public UpdateOptions startsAt(Instant time) {
    request.setStartsAt(
        Timestamp.newBuilder().setSeconds(time.getEpochSecond()).setNanos(time.getNano()));
    return this;
  }

  /**
   * Names what to change: {@code custom}, {@code settings}, a path below it such as {@code
   * settings.ring.auto_cancel_timeout}, {@code starts_at}. What is named and not given is cleared.
   * Default: whatever is given.
   *
   * @param paths the paths
   * @return this
   */
  public UpdateOptions mask(String... paths) {
    request.getUpdateMaskBuilder().addAllPaths(List.of(paths));
    return this;
  }

  /**
   * Makes the change only if the call still has this revision, else it fails with
   * REVISION_MISMATCH.
   *
   * @param revision the revision
   * @return this
   */
  public UpdateOptions ifRevision(int revision) {
    request.setExpectedRevision(revision);
    return this;
  }
}
