package dev.ringline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.ringline.v1.CallingState;
import dev.ringline.v1.CancelCallRequest;
import dev.ringline.v1.CancelCallResponse;
import dev.ringline.v1.ErrorReason;
import dev.ringline.v1.GetCallRequest;
import dev.ringline.v1.GetCallResponse;
import dev.ringline.v1.JoinCallRequest;
import dev.ringline.v1.JoinCallResponse;
import dev.ringline.v1.LeaveCallRequest;
import dev.ringline.v1.LeaveCallResponse;
import dev.ringline.v1.RejectCallRequest;
import dev.ringline.v1.RejectCallResponse;
import dev.ringline.v1.Ring;
import dev.ringline.v1.RingState;
import dev.ringline.v1.RingTargetState;
import dev.ringline.v1.ViewerState;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class VerbsTest {
  private FakeServer server;
  private RinglineClient client;
  private Call call;

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
    client = server.client().build();
    call = client.call("default", "standup");
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  private static GetCallResponse got(int revision) {
    return GetCallResponse.newBuilder().setCall(FakeServer.call("standup", revision)).build();
  }

  @Test
  void aRepeatHasTheSameRequestIdAndWaitsAsLongAsTheServerAsks() {
    server.answers.add(FakeServer.refusal(Status.Code.UNAVAILABLE, "OVERLOADED", 300));
    server.answers.add(FakeServer.refusal(Status.Code.UNAVAILABLE, "OVERLOADED", 0));
    server.answers.add(got(1));
    server.answers.add(got(1));
    long began = System.nanoTime();
    call.get(with -> with.notify(true));
    assertTrue(System.nanoTime() - began >= 300_000_000L);
    call.get(with -> with.notify(true));
    List<String> ids =
        server.requests.stream().map(one -> ((GetCallRequest) one).getRequestId()).toList();
    assertFalse(ids.get(0).isEmpty());
    assertEquals(List.of(ids.get(0), ids.get(0), ids.get(0)), ids.subList(0, 3));
    assertNotEquals(ids.get(0), ids.get(3));
  }

  @Test
  void onlyWhatIsUnavailableIsRepeatedAndErrorsAreTyped() {
    server.answers.add(FakeServer.refusal(Status.Code.FAILED_PRECONDITION, "RING_OVER", 0));
    server.answers.add(FakeServer.refusal(Status.Code.ABORTED, "A_NEW_REASON", 750));
    RinglineException known = assertThrows(RinglineException.class, call::get);
    assertEquals(Status.Code.FAILED_PRECONDITION, known.code());
    assertEquals(ErrorReason.ERROR_REASON_RING_OVER, known.reason());
    assertEquals(Map.of("key", "value"), known.metadata());
    assertEquals("said the server", known.description());
    RinglineException unknown = assertThrows(RinglineException.class, call::get);
    assertEquals(ErrorReason.UNRECOGNIZED, unknown.reason());
    assertEquals("A_NEW_REASON", unknown.reasonName());
    assertEquals(Duration.ofMillis(750), unknown.retryAfter());
    assertEquals(2, server.requests.size());
  }

  @Test
  void aRepeatStopsAtTheDeadline() {
    server.answers.add(FakeServer.refusal(Status.Code.UNAVAILABLE, "DRAINING", 20_000));
    long began = System.nanoTime();
    var failed = assertThrows(RinglineException.class, call::get);
    assertEquals(Status.Code.UNAVAILABLE, failed.code());
    assertTrue(System.nanoTime() - began < 10_000_000_000L, "it waits for nothing in vain");
    try (RinglineClient hasty = server.client().timeout(Duration.ofMillis(400)).build()) {
      Call silent = hasty.call("default", "standup");
      assertEquals(
          Status.Code.DEADLINE_EXCEEDED, assertThrows(RinglineException.class, silent::get).code());
    }
  }

  @Test
  void aRequestOnADeadConnectionIsAskedAgainOnAnother() {
    server.answers.add(FakeServer.SILENCE);
    server.answers.add(got(1));
    call.get(with -> with.ring(true));
    assertEquals(2, server.requests.size());
    assertEquals(server.requests.get(0), server.requests.get(1));
    assertNotEquals(server.peers.get(0), server.peers.get(1));
  }

  @Test
  void aRequestOnASlowServerIsAskedAgainOnTheSameConnection() {
    server.answers.add(FakeServer.refusal(Status.Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", 0));
    server.answers.add(got(1));
    call.get();
    assertEquals(2, server.requests.size());
    assertEquals(server.peers.get(0), server.peers.get(1));
  }

  @Test
  void closingEndsWhatIsUnderWayAndWhatBegins() throws InterruptedException {
    var underWay = CompletableFuture.supplyAsync(call::get);
    while (server.requests.isEmpty()) {
      Thread.sleep(5);
    }
    client.close();
    var ended = assertThrows(ExecutionException.class, underWay::get);
    assertEquals(Status.Code.CANCELLED, ((RinglineException) ended.getCause()).code());
    assertEquals(Status.Code.CANCELLED, assertThrows(RinglineException.class, call::get).code());
  }

  @Test
  void anInterruptEndsWhatIsUnderWay() throws InterruptedException {
    var ended = new CompletableFuture<RinglineException>();
    Thread asking =
        new Thread(
            () -> {
              try {
                call.get();
              } catch (RinglineException e) {
                ended.complete(e);
              }
            });
    asking.start();
    while (server.requests.isEmpty()) {
      Thread.sleep(5);
    }
    asking.interrupt();
    assertEquals(Status.Code.CANCELLED, ended.join().code());
  }

  @Test
  void anOlderAnswerDoesNotReplaceANewerOneOfTheSameUid() {
    server.answers.add(got(7));
    server.answers.add(got(6));
    call.get();
    call.get();
    assertEquals(7, call.revision());
    server.answers.add(
        got(1).toBuilder()
            .setCall(FakeServer.call("standup", 1).toBuilder().setUid("another"))
            .build());
    call.get();
    assertEquals(1, call.revision());
  }

  @Test
  void whatANewerServerSaysIsTolerated() {
    server.answers.add(
        got(1).toBuilder().setViewer(ViewerState.newBuilder().setCallingStateValue(17)).build());
    call.get();
    assertEquals(CallingState.UNRECOGNIZED, call.callingState());
    assertTrue(call.toString().contains("UNKNOWN(17)"), call.toString());
  }

  private void stands(CallingState state, String ringId, RingTargetState target, boolean own) {
    var told = FakeServer.call("standup", 1).toBuilder();
    if (own) {
      told.addRings(
          Ring.newBuilder()
              .setId(ringId)
              .setRingerId("bob")
              .setState(RingState.RING_STATE_RINGING));
    }
    var viewer =
        ViewerState.newBuilder()
            .setUserId("bob")
            .setCallingState(state)
            .setRingId(ringId)
            .setTargetState(target);
    server.answers.add(GetCallResponse.newBuilder().setCall(told).setViewer(viewer).build());
  }

  private <M> M sent(int at, Class<M> type) {
    return type.cast(server.requests.get(at));
  }

  @Test
  void e2LeaveWithRejectRefusesACallThatRings() {
    stands(
        CallingState.CALLING_STATE_RINGING, "r1", RingTargetState.RING_TARGET_STATE_RINGING, false);
    server.answers.add(RejectCallResponse.getDefaultInstance());
    call.leave(with -> with.reject(true).reason("busy"));
    var request = sent(1, RejectCallRequest.class);
    assertEquals("r1", request.getRingId());
    assertEquals("busy", request.getReason());
  }

  @Test
  void e2LeaveWithRejectTakesBackAnUnansweredRing() {
    stands(
        CallingState.CALLING_STATE_RINGING,
        "r1",
        RingTargetState.RING_TARGET_STATE_UNSPECIFIED,
        true);
    server.answers.add(CancelCallResponse.getDefaultInstance());
    call.leave(with -> with.reject(true));
    assertEquals("r1", sent(1, CancelCallRequest.class).getRingId());
  }

  @Test
  void e2LeaveWithRejectHangsUpIfSomebodyAnsweredMeanwhile() {
    stands(
        CallingState.CALLING_STATE_RINGING,
        "r1",
        RingTargetState.RING_TARGET_STATE_UNSPECIFIED,
        true);
    server.answers.add(FakeServer.refusal(Status.Code.FAILED_PRECONDITION, "ALREADY_ACCEPTED", 0));
    server.answers.add(LeaveCallResponse.getDefaultInstance());
    call.leave(with -> with.reject(true).reason("bye"));
    assertEquals("bye", sent(2, LeaveCallRequest.class).getReason());
  }

  @Test
  void e2LeaveOfAParticipantLeavesWhateverTheFlagSays() {
    stands(
        CallingState.CALLING_STATE_JOINED, "r1", RingTargetState.RING_TARGET_STATE_ACCEPTED, false);
    server.answers.add(LeaveCallResponse.getDefaultInstance());
    call.leave(with -> with.reject(true));
    sent(1, LeaveCallRequest.class);
    server.answers.add(LeaveCallResponse.getDefaultInstance());
    call.leave();
    sent(2, LeaveCallRequest.class);
  }

  @Test
  void x6AnAnswerWhereNoRingIsShownAsksFirstAndNamesTheRingFound() {
    stands(
        CallingState.CALLING_STATE_RINGING, "r1", RingTargetState.RING_TARGET_STATE_RINGING, false);
    server.answers.add(RejectCallResponse.getDefaultInstance());
    call.reject();
    assertEquals("r1", sent(1, RejectCallRequest.class).getRingId());
    stands(
        CallingState.CALLING_STATE_RINGING,
        "r2",
        RingTargetState.RING_TARGET_STATE_UNSPECIFIED,
        true);
    server.answers.add(CancelCallResponse.getDefaultInstance());
    client.call("default", "standup").cancel();
    assertEquals("r2", sent(3, CancelCallRequest.class).getRingId());
    stands(
        CallingState.CALLING_STATE_RINGING, "r3", RingTargetState.RING_TARGET_STATE_RINGING, false);
    server.answers.add(JoinCallResponse.getDefaultInstance());
    client.call("default", "standup").join();
    assertEquals("r3", sent(5, JoinCallRequest.class).getRingId());
  }

  @Test
  void x6LeaveWithRejectMeansTheRingThatWasShown() {
    stands(
        CallingState.CALLING_STATE_RINGING, "r1", RingTargetState.RING_TARGET_STATE_RINGING, false);
    call.get();
    stands(
        CallingState.CALLING_STATE_RINGING, "r2", RingTargetState.RING_TARGET_STATE_RINGING, false);
    call.leave(with -> with.reject(true));
    assertEquals(2, server.requests.size(), "the next ring is left alone");
  }
}
