package dev.ringline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Duration;
import dev.ringline.v1.CallDirection;
import dev.ringline.v1.CallSettings;
import dev.ringline.v1.CallState;
import dev.ringline.v1.CallingState;
import dev.ringline.v1.EndReason;
import dev.ringline.v1.ErrorReason;
import dev.ringline.v1.JoinMode;
import dev.ringline.v1.ListCallEventsRequest;
import dev.ringline.v1.ListCallsRequest;
import dev.ringline.v1.ListEventsRequest;
import dev.ringline.v1.MemberInput;
import dev.ringline.v1.RingSettings;
import dev.ringline.v1.StopReason;
import io.grpc.Status;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Against a real server. */
@Timeout(60)
class LiveTest {
  @TempDir private Path folder;
  private RealServer server;
  private RinglineClient alice;
  private RinglineClient bob;

  @BeforeEach
  void start() throws Exception {
    server = new RealServer(folder);
    alice = server.as("alice", "phone");
    bob = server.as("bob", "tablet");
  }

  @AfterEach
  void stop() throws Exception {
    alice.close();
    bob.close();
    server.close();
  }

  private static BlockingQueue<List<Call>> follow(
      RinglineClient client, Consumer<WatchOptions> options) {
    BlockingQueue<List<Call>> lists = new LinkedBlockingQueue<>();
    client.watchCalls(options).consume(lists::add);
    return lists;
  }

  /** Waits until the list is one of the calls with these ids. */
  private static List<Call> until(BlockingQueue<List<Call>> lists, String... ids)
      throws InterruptedException {
    while (true) {
      List<Call> calls = lists.take();
      if (calls.stream().map(Call::id).toList().equals(List.of(ids))) {
        return calls;
      }
    }
  }

  private Call ring(String id) {
    Call call = alice.call("default", id);
    call.getOrCreate(with -> with.ring(true).members("alice", "bob"));
    return call;
  }

  private static ErrorReason reasonOf(Runnable act) {
    return assertThrows(RinglineException.class, act::run).reason();
  }

  @Test
  void oneRingsTheOtherAnswersAndHangsUp() throws Exception {
    var ringing = follow(bob, with -> {});
    assertEquals(List.of(), ringing.take());
    Call call = ring("standup");
    assertEquals(CallingState.CALLING_STATE_RINGING, call.callingState());
    assertEquals(CallDirection.CALL_DIRECTION_OUTGOING, call.direction());
    assertTrue(call.createdByMe());

    Call incoming = until(ringing, "standup").get(0);
    assertEquals(CallDirection.CALL_DIRECTION_INCOMING, incoming.direction());
    assertEquals("alice", incoming.ringerId());
    assertFalse(incoming.createdByMe());
    long left = incoming.timeLeft().orElseThrow().toSeconds();
    assertTrue(15 <= left && left <= 30, left + " s");
    assertEquals("tablet", incoming.join().getParticipant().getDeviceId());
    assertEquals(CallingState.CALLING_STATE_JOINED, incoming.callingState());
    until(ringing);

    call.leave();
    incoming.get();
    assertEquals(EndReason.END_REASON_LEFT_ALONE, incoming.message().getEndReason());
  }

  @Test
  void allVerbsAndTheirOptions() {
    Call call = alice.call("default", "all");
    Instant start = Instant.parse("2030-01-01T10:00:00Z");
    var settings =
        CallSettings.newBuilder()
            .setRing(
                RingSettings.newBuilder()
                    .setAutoCancelTimeout(Duration.newBuilder().setSeconds(20)))
            .build();
    var created =
        call.getOrCreate(
            with ->
                with.members("alice")
                    .members(MemberInput.newBuilder().setUserId("bob").setRole("host").build())
                    .custom(Map.of("color", "blue"))
                    .settings(settings)
                    .startsAt(start));
    assertTrue(created.getCreated());
    assertEquals("host", call.message().getMembers(1).getRole());
    assertEquals(start.getEpochSecond(), call.message().getStartsAt().getSeconds());
    assertEquals(
        settings.getRing().getAutoCancelTimeout(),
        call.message().getSettings().getRing().getAutoCancelTimeout());

    call.get(with -> with.notify(true));
    assertEquals("alice", call.message().getLastNotifiedById());
    int revision = call.revision();
    call.update(with -> with.custom(Map.of("color", "red")).ifRevision(revision));
    assertEquals("red", call.message().getCustom().getFieldsOrThrow("color").getStringValue());
    assertEquals(
        ErrorReason.ERROR_REASON_REVISION_MISMATCH,
        reasonOf(() -> call.update(with -> with.mask("starts_at").ifRevision(revision))));
    call.update(with -> with.mask("starts_at"));
    assertFalse(call.message().hasStartsAt());

    call.updateMembers(with -> with.upsert("carol").ring(true).video(true));
    assertEquals(CallState.CALL_STATE_RINGING, call.state());
    assertTrue(call.viewer().getVideo());
    call.cancel(with -> with.reason("changed my mind"));
    assertEquals(EndReason.END_REASON_CANCELLED, call.message().getEndReason());
    call.ring(with -> with.users("bob"));
    bob.call("default", "all").reject(with -> with.reason("busy"));
    call.get();
    assertEquals(EndReason.END_REASON_BUSY, call.message().getEndReason());
    call.get(with -> with.ring(true));
    assertEquals(CallState.CALL_STATE_RINGING, call.state());
    call.updateMembers(with -> with.remove("carol"));
    assertEquals(2, call.message().getMembersCount());
    call.endCall("enough");
    assertEquals("alice", call.message().getEndedById());

    var events =
        alice.listCallEvents(
            ListCallEventsRequest.newBuilder().setType("default").setId("all").build());
    assertTrue(
        events.getEventsList().stream().anyMatch(event -> event.getReason().equals("enough")));
    assertEquals(1, alice.listCalls(ListCallsRequest.getDefaultInstance()).getItemsCount());
    assertEquals(
        ErrorReason.ERROR_REASON_NOT_ALLOWED,
        reasonOf(() -> alice.listEvents(ListEventsRequest.getDefaultInstance())));
  }

  @Test
  void thePagesSamplesOfLeaving() {
    Call call = ring("a");
    bob.call("default", "a").leave(with -> with.reject(true).reason("decline"));
    call.get();
    assertEquals(EndReason.END_REASON_ALL_REJECTED, call.message().getEndReason());

    ring("b").leave(with -> with.reject(true).reason("cancel"));
    Call missed = bob.call("default", "b");
    missed.get();
    assertEquals(EndReason.END_REASON_CANCELLED, missed.message().getEndReason());
  }

  @Test
  void x6ALateTapMeansTheRingThatWasShown() {
    Call call = ring("standup");
    Call shown = bob.call("default", "standup");
    shown.get();
    call.cancel();
    ring("standup");
    assertEquals(ErrorReason.ERROR_REASON_RING_OVER, reasonOf(shown::join));
    shown.reject();
    shown.get();
    assertEquals(CallingState.CALLING_STATE_RINGING, shown.callingState());
    shown.join();
    assertEquals(CallingState.CALLING_STATE_JOINED, shown.callingState());
  }

  @Test
  void whoDoesNotWatchKnowsTheSecondsOnlyOfARingJustBegun() {
    assertTrue(ring("standup").timeLeft().isPresent());
    Call shown = bob.call("default", "standup");
    shown.get();
    assertEquals(CallingState.CALLING_STATE_RINGING, shown.callingState());
    assertTrue(shown.timeLeft().isEmpty());
    try (RinglineClient desk = server.as("alice", "desk")) {
      Call again = desk.call("default", "standup");
      again.get(with -> with.ring(true));
      assertEquals(CallingState.CALLING_STATE_RINGING, again.callingState());
      assertTrue(again.timeLeft().isEmpty(), "who rings already is not rung anew");
    }
  }

  @Test
  void errorsAreTyped() {
    ring("standup");
    Call onTablet = bob.call("default", "standup");
    onTablet.join();
    try (RinglineClient phone = server.as("bob", "phone")) {
      Call onPhone = phone.call("default", "standup");
      var elsewhere = assertThrows(RinglineException.class, onPhone::join);
      assertEquals(ErrorReason.ERROR_REASON_JOINED_ELSEWHERE, elsewhere.reason());
      assertEquals("tablet", elsewhere.metadata().get("device_id"));
      onPhone.join(with -> with.mode(JoinMode.JOIN_MODE_MOVE_DEVICE));
    }
    Call alone = alice.call("default", "alone");
    var invalid =
        assertThrows(
            RinglineException.class,
            () -> alone.getOrCreate(with -> with.ring(true).members("bob")));
    assertEquals(Status.Code.INVALID_ARGUMENT, invalid.code());
    assertEquals("data.members", invalid.fields().get(0).field());
  }

  @Test
  void aListSurvivesAPlannedRestartAndAKillOnTheSameDatabase() throws Exception {
    var ringing = follow(bob, with -> {});
    ring("a");
    until(ringing, "a");
    server.stop();
    server.start();
    ring("b");
    until(ringing, "b", "a");
    server.kill();
    server.start();
    alice.call("default", "a").cancel();
    until(ringing, "b");
  }

  @Test
  void aRequestIsRepeatedUntilTheServerIsThere() throws Exception {
    server.stop();
    Thread later =
        new Thread(
            () -> {
              try {
                Thread.sleep(1500);
                server.start();
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    later.start();
    assertEquals(CallState.CALL_STATE_RINGING, ring("standup").state());
    later.join();
  }

  @Test
  void aWatchEndsOnWhatCannotHeal() {
    var watch = bob.watchCalls(with -> with.cids("default:secret")).consume(calls -> {});
    var ended = assertThrows(ExecutionException.class, watch::get);
    assertEquals(Status.Code.PERMISSION_DENIED, ((RinglineException) ended.getCause()).code());
  }

  @Test
  void eventsTellWhyACallStoppedRingingAndOfNotifications() throws Exception {
    BlockingQueue<WatchEvent> events = new LinkedBlockingQueue<>();
    bob.watch().consume(events::add);
    assertEquals(new WatchEvent.SnapshotComplete(false), events.take());
    Call call = ring("standup");
    assertInstanceOf(WatchEvent.Change.class, events.take());
    call.get(with -> with.notify(true));
    WatchEvent next = events.take();
    while (!(next instanceof WatchEvent.Notification)) {
      next = events.take(); // an update may come before
    }
    assertEquals("alice", ((WatchEvent.Notification) next).actorUserId());
    call.cancel();
    WatchEvent.Change last = null;
    while (last == null || last.stopReason() == StopReason.STOP_REASON_UNSPECIFIED) {
      last = events.take() instanceof WatchEvent.Change change ? change : last;
    }
    assertEquals(StopReason.STOP_REASON_CANCELLED, last.stopReason());
  }

  @Test
  void namesInOtherAlphabets() throws Exception {
    try (RinglineClient boris = server.as("Борис", "планшет");
        RinglineClient suzuki = server.as("鈴木", "電話")) {
      var ringing = follow(boris, with -> {});
      suzuki.call("default", "встреча").getOrCreate(with -> with.ring(true).members("鈴木", "Борис"));
      assertEquals("鈴木", until(ringing, "встреча").get(0).ringerId());
    }
  }
}
