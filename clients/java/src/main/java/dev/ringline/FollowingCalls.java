package dev.ringline;

import dev.ringline.v1.WatchCallsRequest;
import java.util.List;
import java.util.concurrent.Flow;

/** Follows the list of calls. A subscriber that is slow gets the latest and not those between. */
final class FollowingCalls extends Following<List<Call>> {
  private final Picture picture = new Picture();
  private List<Call> waiting;

  FollowingCalls(
      RinglineClient client,
      WatchCallsRequest request,
      Flow.Subscriber<? super List<Call>> subscriber) {
    super(client, request, subscriber);
  }

  @Override
  void take(WatchEvent event) {
    picture.apply(event).ifPresent(calls -> waiting = calls);
  }

  @Override
  void handOver() {
    if (waiting != null && isIdle() && give(waiting)) {
      waiting = null;
    }
  }
}
