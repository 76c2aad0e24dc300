package dev.ringline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.ringline.v1.ChangeKind;
import dev.ringline.v1.ErrorReason;
import dev.ringline.v1.GetCallResponse;
import dev.ringline.v1.GoingAway;
import dev.ringline.v1.WatchCallsResponse;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class WatchTest {
  private final BlockingQueue<List<String>> lists = new LinkedBlockingQueue<>();
  private FakeServer server;
  private RinglineClient client;

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
    client = server.client().build();
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  private CompletableFuture<Void> follow() {
    return client.watchCalls().consume(calls -> lists.add(shown(calls)));
  }

  private static List<String> shown(List<Call> calls) {
    return calls.stream().map(call -> call.id() + " " + call.revision()).toList();
  }

  private void awaitStreams(int count) throws InterruptedException {
    while (server.watches.size() < count) {
      Thread.sleep(5);
    }
  }

  @Test
  void aWatchResumesWithItsTokenAfterGoingAway() throws InterruptedException {
    var goingAway = WatchCallsResponse.newBuilder().setGoingAway(GoingAway.getDefaultInstance());
    server.plays(
        Status.OK,
        FakeServer.added("a", 1),
        FakeServer.complete(false, "t1"),
        goingAway.setResumeToken("t2").build());
    server.plays((Status) null, FakeServer.added("b", 1), FakeServer.complete(true, "t3"));
    follow();
    assertEquals(List.of("a 1"), lists.take());
    assertEquals(List.of("b 1", "a 1"), lists.take());
    assertEquals("", server.watches.get(0).getResumeToken());
    assertEquals("t2", server.watches.get(1).getResumeToken());
  }

  @Test
  void aResetForgetsAllCallsTokenAndRevisionsAndShowsNothingHalf() throws InterruptedException {
    server.plays(
        Status.UNAVAILABLE,
        FakeServer.added("a", 9),
        FakeServer.added("b", 9),
        FakeServer.complete(false, "t1"));
    server.plays(Status.UNAVAILABLE, FakeServer.reset(), FakeServer.added("a", 2));
    server.plays((Status) null, FakeServer.added("a", 2), FakeServer.complete(false, "t2"));
    follow();
    assertEquals(List.of("a 9", "b 9"), lists.take());
    assertEquals(List.of("a 2"), lists.take());
    assertEquals(
        List.of("", "t1", ""), server.watches.stream().map(one -> one.getResumeToken()).toList());
  }

  @Test
  void olderRevisionsOfOneUidAreDropped() throws InterruptedException {
    server.plays(
        (Status) null,
        FakeServer.added("a", 5),
        FakeServer.complete(false, "t1"),
        FakeServer.change(ChangeKind.CHANGE_KIND_REMOVED, "a", 4),
        FakeServer.change(ChangeKind.CHANGE_KIND_UPDATED, "a", 4),
        FakeServer.change(ChangeKind.CHANGE_KIND_UPDATED, "a", 6));
    BlockingQueue<WatchEvent> events = new LinkedBlockingQueue<>();
    client.watch().consume(events::add);
    assertEquals(5, assertInstanceOf(WatchEvent.Change.class, events.take()).call().revision());
    assertEquals(new WatchEvent.SnapshotComplete(false), events.take());
    assertEquals(6, assertInstanceOf(WatchEvent.Change.class, events.take()).call().revision());
  }

  @Test
  void silenceIsNoticedAfterTwoAndAHalfIntervals() throws InterruptedException {
    server.plays((Status) null, FakeServer.added("a", 1), FakeServer.complete(false, "t1"));
    server.answers.add(GetCallResponse.getDefaultInstance());
    client.call("default", "a").get(); // connecting takes time too
    client.watchCalls(with -> with.heartbeatInterval(Duration.ofSeconds(1))).consume(calls -> {});
    awaitStreams(2);
    long silent = server.opened.get(1) - server.opened.get(0);
    assertTrue(silent >= 2_500_000_000L, "after " + silent + " ns");
    assertTrue(silent < 12_000_000_000L, "after " + silent + " ns");
    assertEquals("t1", server.watches.get(1).getResumeToken());
  }

  @Test
  void whatANewerServerSaysIsPassedOver() throws InterruptedException {
    server.plays(
        (Status) null,
        WatchCallsResponse.getDefaultInstance(),
        FakeServer.added("a", 1).toBuilder()
            .setChange(
                FakeServer.added("a", 1).getChange().toBuilder()
                    .setKindValue(17)
                    .setCauseValue(999))
            .build(),
        FakeServer.complete(false, "t1"));
    follow();
    assertEquals(List.of("a 1"), lists.take());
  }

  @Test
  void aReconnectWaitsAsLongAsTheServerAsks() throws InterruptedException {
    server.plays(FakeServer.refusal(Status.Code.UNAVAILABLE, "DRAINING", 400));
    follow();
    awaitStreams(2);
    assertTrue(server.opened.get(1) - server.opened.get(0) >= 400_000_000L);
  }

  @Test
  void whatCannotHealEndsTheWatch() throws InterruptedException {
    for (Status.Code code :
        List.of(
            Status.Code.UNAUTHENTICATED,
            Status.Code.PERMISSION_DENIED,
            Status.Code.INVALID_ARGUMENT,
            Status.Code.UNIMPLEMENTED)) {
      server.plays(FakeServer.refusal(code, "INVALID_FIELD", 0));
      var ended = assertThrows(ExecutionException.class, follow()::get);
      assertEquals(code, ((RinglineException) ended.getCause()).code());
    }
    server.plays(FakeServer.refusal(Status.Code.ABORTED, "WATCH_REPLACED", 0));
    var ended = assertThrows(ExecutionException.class, follow()::get);
    assertEquals(
        ErrorReason.ERROR_REASON_WATCH_REPLACED, ((RinglineException) ended.getCause()).reason());
    assertEquals(5, server.watches.size());
  }

  @Test
  void aWatchGoesOnWithANewTokenAndEndsWithoutOne() throws InterruptedException {
    Queue<String> tokens = new ConcurrentLinkedQueue<>(List.of("old", "new", "new", "new"));
    server.plays(FakeServer.refusal(Status.Code.UNAUTHENTICATED, "TOKEN_EXPIRED", 0));
    server.plays(FakeServer.refusal(Status.Code.UNAUTHENTICATED, "BAD_TOKEN", 0));
    try (RinglineClient renewing =
        server
            .client()
            .token(tokens::poll)
            .credentials(InsecureChannelCredentials.create())
            .build()) {
      var watch = renewing.watchCalls().consume(calls -> {});
      var ended = assertThrows(ExecutionException.class, watch::get);
      assertEquals("BAD_TOKEN", ((RinglineException) ended.getCause()).reasonName());
      assertEquals(List.of("Bearer old", "Bearer new"), server.authorizations);
    }
  }

  @Test
  void otherErrorsHeal() throws InterruptedException {
    server.plays(Status.INTERNAL);
    server.plays(FakeServer.refusal(Status.Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES", 0));
    server.plays((Status) null, FakeServer.complete(false, "t1"));
    follow();
    assertEquals(List.of(), lists.take());
  }

  @Test
  void cancellingEndsTheStreamAndClosingCompletesTheWatch() throws Exception {
    server.plays((Status) null, FakeServer.complete(false, "t1"));
    CompletableFuture<Void> watch = follow();
    lists.take();
    watch.cancel(false);
    assertTrue(server.cancelled.await(10, TimeUnit.SECONDS));

    server.plays((Status) null, FakeServer.complete(false, "t1"));
    CompletableFuture<Void> other = follow();
    lists.take();
    client.close();
    assertNull(other.get());
  }

  @Test
  void aConsumerThatThrowsEndsTheWatch() throws InterruptedException {
    server.plays((Status) null, FakeServer.complete(false, "t1"));
    var watch =
        client
            .watchCalls()
            .consume(
                calls -> {
                  throw new IllegalStateException("enough");
                });
    var ended = assertThrows(ExecutionException.class, watch::get);
    assertInstanceOf(IllegalStateException.class, ended.getCause());
    assertTrue(server.cancelled.await(10, TimeUnit.SECONDS));
  }

  /** A subscriber that asks for what the test wants. */
  private static final class Asking<T> implements Flow.Subscriber<T> {
    final BlockingQueue<Object> told = new LinkedBlockingQueue<>();
    final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();

    @Override
    public void onSubscribe(Flow.Subscription given) {
      subscription.complete(given);
    }

    @Override
    public void onNext(T item) {
      told.add(item);
    }

    @Override
    public void onError(Throwable failed) {
      told.add(failed);
    }

    @Override
    public void onComplete() {
      told.add("complete");
    }
  }

  @Test
  void aSubscriberIsToldNothingItDidNotAskForAndThenTheLatestList() throws Exception {
    server.plays(
        Status.OK,
        FakeServer.complete(false, "t1"),
        FakeServer.added("a", 1),
        FakeServer.added("b", 1));
    Asking<List<Call>> asking = new Asking<>();
    client.watchCalls().subscribe(asking);
    awaitStreams(2); // so all of the first stream has been read
    assertNull(asking.told.poll());
    asking.subscription.get().request(1);
    List<?> list = assertInstanceOf(List.class, asking.told.take());
    assertEquals(2, list.size());
    assertNull(asking.told.poll(100, TimeUnit.MILLISECONDS));
  }

  @Test
  void eventsAreAllToldAsTheyAreAskedFor() throws Exception {
    server.plays(
        (Status) null,
        FakeServer.added("a", 1),
        FakeServer.complete(false, "t1"),
        FakeServer.added("b", 1));
    Asking<WatchEvent> asking = new Asking<>();
    client.watch().subscribe(asking);
    asking.subscription.get().request(1);
    assertInstanceOf(WatchEvent.Change.class, asking.told.take());
    assertNull(asking.told.poll(100, TimeUnit.MILLISECONDS));
    asking.subscription.get().request(Long.MAX_VALUE);
    assertEquals(new WatchEvent.SnapshotComplete(false), asking.told.take());
    var change = assertInstanceOf(WatchEvent.Change.class, asking.told.take());
    assertEquals("default:b", change.call().cid());
    client.close();
    assertEquals("complete", asking.told.take());
  }

  @Test
  void askingForLessThanOneItemIsAnError() throws Exception {
    Asking<List<Call>> asking = new Asking<>();
    client.watchCalls().subscribe(asking);
    asking.subscription.get().request(0);
    assertInstanceOf(IllegalArgumentException.class, asking.told.take());
  }
}
