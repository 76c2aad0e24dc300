package dev.ringline;

import com.google.protobuf.Duration;
import dev.ringline.v1.CallDirection;
import dev.ringline.v1.CallState;
import dev.ringline.v1.CallingState;
import dev.ringline.v1.WatchCallsRequest;
import java.util.List;
import java.util.function.Consumer;

/**
 * Which calls to watch: by default those that ring, incoming and outgoing. Options of different
 * kinds all must match, the values of one are alternatives.
 */
public final class WatchOptions {
  private final WatchCallsRequest.Builder request =
      WatchCallsRequest.newBuilder().setHeartbeatInterval(Duration.newBuilder().setSeconds(15));

  private WatchOptions() {}

  static WatchCallsRequest request(Consumer<WatchOptions> given) {
    WatchOptions options = new WatchOptions();
    given.accept(options);
    return options.request.build();
  }

  /**
   * Watches the calls with one of these directions for the user.
   *
   * @param directions the directions
   * @return this
   */
  public WatchOptions directions(CallDirection... directions) {
    request.addAllDirections(List.of(directions));
    return this;
  }

  /**
   * Watches the calls in which the user is in one of these states. Default: RINGING.
   *
   * @param states the states
   * @return this
   */
  public WatchOptions callingStates(CallingState... states) {
    request.addAllCallingStates(List.of(states));
    return this;
  }

  /**
   * Watches the calls in one of these states. Only for a service that names no user.
   *
   * @param states the states
   * @return this
   */
  public WatchOptions callStates(CallState... states) {
    request.addAllCallStates(List.of(states));
    return this;
  }

  /**
   * Watches the calls of these call types.
   *
   * @param types the types
   * @return this
   */
  public WatchOptions types(String... types) {
    request.addAllTypes(List.of(types));
    return this;
  }

  /**
   * Watches these calls, in any state unless {@link #callingStates} are given.
   *
   * @param cids the calls, as {@code type:id}
   * @return this
   */
  public WatchOptions cids(String... cids) {
    request.addAllCids(List.of(cids));
    return this;
  }

  /**
   * Says how often the server says that it is there, 5 s to 60 s: below the idle timeout of
   * whatever proxy is between. After 2.5 intervals of silence the watch connects anew. Default: 15
   * s.
   *
   * @param interval the time
   * @return this
   */
  public WatchOptions heartbeatInterval(java.time.Duration interval) {
    request.setHeartbeatInterval(
        Duration.newBuilder().setSeconds(interval.getSeconds()).setNanos(interval.getNano()));
    return this;
  }
}
