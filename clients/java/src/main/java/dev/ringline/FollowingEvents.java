package dev.ringline;

import dev.ringline.v1.WatchCallsRequest;
import java.util.concurrent.Flow;

/**
 * Follows events, each of which is told. While the subscriber wants none, the server is held back.
 */
final class FollowingEvents extends Following<WatchEvent> {
  FollowingEvents(
      RinglineClient client,
      WatchCallsRequest request,
      Flow.Subscriber<? super WatchEvent> subscriber) {
    super(client, request, subscriber);
  }

  @Override
  void take(WatchEvent event) {
    giveInTime(event);
  }

  @Override
  void handOver() {}
}
