package dev.ringline;

import dev.ringline.v1.RingCallRequest;
import java.util.List;
import java.util.function.Consumer;

/** Whom to ring, and how. */
public final class RingOptions {
  private final RingCallRequest.Builder request;

  private RingOptions(String type, String id) {
    request = RingCallRequest.newBuilder().setType(type).setId(id).setRequestId(RequestIds.next());
  }

  static RingCallRequest request(String type, String id, Consumer<RingOptions> given) {
    RingOptions options = new RingOptions(type, id);
    given.accept(options);
    return options.request.build();
  }

  /**
   * Says which members to ring. Default: all.
   *
   * @param userIds the members
   * @return this
   */
  public RingOptions users(String... userIds) {
    request.addAllUserIds(List.of(userIds));
    return this;
  }

  /**
   * Says that the ring is about a video call. It decides only what clients show.
   *
   * @param video whether it is
   * @return this
   */
  public RingOptions video(boolean video) {
    request.setVideo(video);
    return this;
  }
}
