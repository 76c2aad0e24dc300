package dev.ringline;

import dev.ringline.v1.JoinCallRequest;
import dev.ringline.v1.JoinMode;
import java.util.function.Consumer;

/** How to come in. */
public final class JoinOptions {
  private final JoinCallRequest.Builder request;

  private JoinOptions(String type, String id) {
    request = JoinCallRequest.newBuilder().setType(type).setId(id).setRequestId(RequestIds.next());
  }

  static JoinCallRequest request(String type, String id, Consumer<JoinOptions> given) {
    JoinOptions options = new JoinOptions(type, id);
    given.accept(options);
    return options.request.build();
  }

  /**
   * Says what to do if the user is in on another device: SINGLE_DEVICE, the default, refuses with
   * JOINED_ELSEWHERE, ADD_DEVICE lets both in, MOVE_DEVICE takes the others out.
   *
   * @param mode the mode
   * @return this
   */
  public JoinOptions mode(JoinMode mode) {
    request.setMode(mode);
    return this;
  }

  /**
   * Means this ring, and not the one that the call shows: of a push message, for example.
   *
   * @param id the ring
   * @return this
   */
  public JoinOptions ringId(String id) {
    request.setRingId(id);
    return this;
  }
}
