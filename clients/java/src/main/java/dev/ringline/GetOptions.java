package dev.ringline;

import dev.ringline.v1.GetCallRequest;
import java.util.function.Consumer;

/** What else to do while reading a call. */
public final class GetOptions {
  private final GetCallRequest.Builder request;

  private GetOptions(String type, String id) {
    request = GetCallRequest.newBuilder().setType(type).setId(id).setRequestId(RequestIds.next());
  }

  static GetCallRequest request(String type, String id, Consumer<GetOptions> given) {
    GetOptions options = new GetOptions(type, id);
    given.accept(options);
    return options.request.build();
  }

  /**
   * Rings all members.
   *
   * @param ring whether to ring
   * @return this
   */
  public GetOptions ring(boolean ring) {
    request.setRing(ring);
    return this;
  }

  /**
   * Tells every other member, without ringing.
   *
   * @param notify whether to notify
   * @return this
   */
  public GetOptions notify(boolean notify) {
    request.setNotify(notify);
    return this;
  }

  /**
   * Says that the ring or the notification is about a video call. It decides only what clients
   * show.
   *
   * @param video whether it is
   * @return this
   */
  public GetOptions video(boolean video) {
    request.setVideo(video);
    return this;
  }
}
