package dev.ringline;

import com.google.protobuf.Timestamp;
import dev.ringline.v1.CallDirection;
import dev.ringline.v1.CallServiceGrpc;
import dev.ringline.v1.CallState;
import dev.ringline.v1.CallingState;
import dev.ringline.v1.CancelCallRequest;
import dev.ringline.v1.EndCallRequest;
import dev.ringline.v1.ErrorReason;
import dev.ringline.v1.GetCallResponse;
import dev.ringline.v1.GetOrCreateCallResponse;
import dev.ringline.v1.JoinCallRequest;
import dev.ringline.v1.JoinCallResponse;
import dev.ringline.v1.LeaveCallRequest;
import dev.ringline.v1.RejectCallRequest;
import dev.ringline.v1.Ring;
import dev.ringline.v1.RingCallResponse;
import dev.ringline.v1.RingState;
import dev.ringline.v1.RingTarget;
import dev.ringline.v1.RingTargetState;
import dev.ringline.v1.SkipReason;
import dev.ringline.v1.UpdateCallMembersResponse;
import dev.ringline.v1.ViewerState;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/**
 * A call as it was last told, and what can be done with it. It is safe for use by many threads.
 *
 * <p>What it shows changes only by its own verbs; a watch hands out a new one for every change. So
 * {@link #join}, {@link #reject} and {@link #cancel} mean the ring that this one shows, and a late
 * tap never answers or stops another.
 *
 * <p>Every verb blocks until it is answered, and fails with a {@link RinglineException} if the
 * server refuses.
 */
public final class Call {
  private final RinglineClient client;
  private final String type;
  private final String id;
  private final AtomicReference<Told> told;

  /** What the server told of a call. */
  private record Told(dev.ringline.v1.Call call, ViewerState viewer) {}

  Call(RinglineClient client, dev.ringline.v1.Call call, ViewerState viewer) {
    this.client = client;
    type = call.getType();
    id = call.getId();
    told = new AtomicReference<>(new Told(call, viewer));
  }

  /**
   * Returns the call type.
   *
   * @return the type
   */
  public String type() {
    return type;
  }

  /**
   * Returns the id within the type.
   *
   * @return the id
   */
  public String id() {
    return id;
  }

  /**
   * Returns the call's name in one text.
   *
   * @return {@code type:id}
   */
  public String cid() {
    return type + ":" + id;
  }

  /**
   * Returns the whole call, the same for everybody who may read it.
   *
   * @return the contract's message
   */
  public dev.ringline.v1.Call message() {
    return told.get().call;
  }

  /**
   * Returns what the call means to the user.
   *
   * @return the contract's message, empty if nothing was told
   */
  public ViewerState viewer() {
    return told.get().viewer;
  }

  /**
   * Returns the call's uid, made by the server and new whenever the id is created anew.
   *
   * @return the uid, empty until it is told
   */
  public String uid() {
    return message().getUid();
  }

  /**
   * Counts the changes of the call.
   *
   * @return the revision, 0 until it is told
   */
  public int revision() {
    return message().getRevision();
  }

  /**
   * Returns the state of the call.
   *
   * @return the state
   */
  public CallState state() {
    return message().getState();
  }

  /**
   * Says whether the user is being rung or waits, is in, or has left.
   *
   * @return the state
   */
  public CallingState callingState() {
    return viewer().getCallingState();
  }

  /**
   * Says whether the user is called or calls.
   *
   * @return the direction
   */
  public CallDirection direction() {
    return viewer().getDirection();
  }

  /**
   * Says whether the user created the call.
   *
   * @return whether they did
   */
  public boolean createdByMe() {
    return viewer().getCreatedByMe();
  }

  /**
   * Returns the ring that concerns the user.
   *
   * @return the ring's id, empty for none
   */
  public String ringId() {
    return viewer().getRingId();
  }

  /**
   * Returns who started that ring: the caller to show.
   *
   * @return the user, empty for none
   */
  public String ringerId() {
    return viewer().getRingerId();
  }

  /**
   * Returns how long the user still rings or waits, by the server's clock. It counts down by
   * itself, to be shown; when it is over the server says so.
   *
   * @return the time; empty if nothing rings or the server's clock is not known yet
   */
  public Optional<Duration> timeLeft() {
    ViewerState viewer = viewer();
    return viewer.hasRingExpiresAt()
        ? client.clock().until(ServerClock.instant(viewer.getRingExpiresAt()))
        : Optional.empty();
  }

  /** Returns the call for a log. */
  @Override
  public String toString() {
    Told shown = told.get();
    return "%s (%s, %s, revision %d)"
        .formatted(
            cid(),
            EnumNames.of(CallState.getDescriptor(), shown.call.getStateValue()),
            EnumNames.of(CallingState.getDescriptor(), shown.viewer.getCallingStateValue()),
            revision());
  }

  /**
   * Creates the call, or gets it if it exists; it can ring or notify in the same step. To ring,
   * list the user among the members.
   *
   * @param options what with, such as {@code with -> with.ring(true).members("alice", "bob")}
   * @return the answer
   */
  public GetOrCreateCallResponse getOrCreate(Consumer<GetOrCreateOptions> options) {
    var answer =
        client
            .connection()
            .ask(
                CallServiceGrpc.getGetOrCreateCallMethod(),
                GetOrCreateOptions.request(type, id, options));
    take(answer.getCall(), answer.getViewer(), answer.getTargetsList());
    return answer;
  }

  /**
   * Gets the call as it is now.
   *
   * @return the answer
   */
  public GetCallResponse get() {
    return get(with -> {});
  }

  /**
   * Gets the call, and rings or notifies its members.
   *
   * @param options what to do, such as {@code with -> with.ring(true)}
   * @return the answer
   */
  public GetCallResponse get(Consumer<GetOptions> options) {
    var answer =
        client
            .connection()
            .ask(CallServiceGrpc.getGetCallMethod(), GetOptions.request(type, id, options));
    take(answer.getCall(), answer.getViewer(), answer.getTargetsList());
    return answer;
  }

  /**
   * Rings all members of a call that exists, into a running one too.
   *
   * @return the answer
   */
  public RingCallResponse ring() {
    return ring(with -> {});
  }

  /**
   * Rings members of a call that exists, into a running one too.
   *
   * @param options whom, such as {@code with -> with.users("bob")}
   * @return the answer
   */
  public RingCallResponse ring(Consumer<RingOptions> options) {
    var answer =
        client
            .connection()
            .ask(CallServiceGrpc.getRingCallMethod(), RingOptions.request(type, id, options));
    take(answer.getCall(), answer.getViewer(), answer.getTargetsList());
    return answer;
  }

  /**
   * Comes in, as {@link #join(Consumer)}.
   *
   * @return the answer
   */
  public JoinCallResponse join() {
    return join(with -> {});
  }

  /**
   * Comes in; while the call rings the user, that is the answer.
   *
   * <p>It answers the ring that this call shows; if it shows none that rings, it asks the server
   * first. It fails with RING_OVER if that ring is over meanwhile, with JOINED_ELSEWHERE if the
   * user is in on another device, where the mode says what to do then, and with CALL_ENDED.
   *
   * @param options how, such as {@code with -> with.mode(JoinMode.JOIN_MODE_MOVE_DEVICE)}
   * @return the answer
   */
  public JoinCallResponse join(Consumer<JoinOptions> options) {
    JoinCallRequest request = JoinOptions.request(type, id, options);
    if (request.getRingId().isEmpty()) {
      know();
      // A ring that is over is not what is meant by joining now.
      request = request.toBuilder().setRingId(ringing()).build();
    }
    var answer = client.connection().ask(CallServiceGrpc.getJoinCallMethod(), request);
    take(answer.getCall(), answer.getViewer(), List.of());
    return answer;
  }

  /** Refuses the ring that this call shows, as {@link #reject(Consumer)}. */
  public void reject() {
    reject(with -> {});
  }

  /**
   * Refuses the ring that this call shows, on all devices of the user; if it shows none that rings,
   * it asks the server first. Nothing changes if that ring is over already; after the user's own
   * answer it fails with ALREADY_ACCEPTED.
   *
   * @param options how, such as {@code with -> with.reason("busy")}
   */
  public void reject(Consumer<AnswerOptions> options) {
    AnswerOptions given = AnswerOptions.of(options);
    if (given.ringId.isEmpty()) {
      know();
      given.ringId = ringId();
    }
    sendReject(given.ringId, given.reason);
  }

  /** Takes back the user's own unanswered rings, as {@link #cancel(Consumer)}. */
  public void cancel() {
    cancel(with -> {});
  }

  /**
   * Takes back the user's own unanswered rings that this call shows; if it shows none that rings,
   * it asks the server first. Nothing changes if they are over already; once one is answered it
   * fails with ALREADY_ACCEPTED, and {@link #leave} hangs up.
   *
   * @param options how, such as {@code with -> with.reason("changed my mind")}
   */
  public void cancel(Consumer<AnswerOptions> options) {
    AnswerOptions given = AnswerOptions.of(options);
    List<String> rings = List.of(given.ringId);
    if (given.ringId.isEmpty()) {
      know();
      rings = unanswered();
    }
    if (rings.isEmpty()) {
      rings = List.of(ringId()); // of which the server tells what became
    }
    sendCancel(rings, given.reason);
  }

  /** Leaves the call. */
  public void leave() {
    leave(with -> {});
  }

  /**
   * Leaves the call. With {@code reject} it does what is meant by where the user stands now, which
   * it asks the server: who is being rung refuses, whose own ring is unanswered takes it back, who
   * is in leaves; and if the ring that this call shows is over, nothing happens.
   *
   * @param options how, such as {@code with -> with.reject(true).reason("busy")}
   */
  public void leave(Consumer<LeaveOptions> options) {
    LeaveOptions given = LeaveOptions.of(options);
    if (!given.reject) {
      sendLeave(given.reason);
      return;
    }
    String shown = ringing();
    get();
    List<String> own = unanswered();
    if (callingState() == CallingState.CALLING_STATE_JOINED) {
      sendLeave(given.reason);
    } else if (!shown.isEmpty() && !shown.equals(ringId())) {
      return; // another ring is not meant
    } else if (viewer().getTargetState() == RingTargetState.RING_TARGET_STATE_RINGING) {
      sendReject(ringId(), given.reason);
    } else if (!own.isEmpty()) {
      try {
        sendCancel(own, given.reason);
      } catch (RinglineException e) {
        if (e.reason() != ErrorReason.ERROR_REASON_ALREADY_ACCEPTED) {
          throw e;
        }
        // Somebody answered meanwhile, which brought the user in: now it is hanging up that is
        // meant.
        sendLeave(given.reason);
      }
    }
  }

  /** Ends the call for everyone, and for good. */
  public void endCall() {
    endCall("");
  }

  /**
   * Ends the call for everyone, and for good.
   *
   * @param reason why
   */
  public void endCall(String reason) {
    var request =
        EndCallRequest.newBuilder()
            .setType(type)
            .setId(id)
            .setReason(reason)
            .setRequestId(RequestIds.next())
            .build();
    var answer = client.connection().ask(CallServiceGrpc.getEndCallMethod(), request);
    take(answer.getCall(), answer.getViewer(), List.of());
  }

  /**
   * Changes custom data, settings and the start.
   *
   * @param options what, such as {@code with -> with.custom(Map.of("color", "red"))}
   */
  public void update(Consumer<UpdateOptions> options) {
    var answer =
        client
            .connection()
            .ask(CallServiceGrpc.getUpdateCallMethod(), UpdateOptions.request(type, id, options));
    take(answer.getCall(), answer.getViewer(), List.of());
  }

  /**
   * Adds, changes and removes members, in one step.
   *
   * @param options which, such as {@code with -> with.upsert("carol").ring(true)}
   * @return the answer
   */
  public UpdateCallMembersResponse updateMembers(Consumer<MembersOptions> options) {
    var answer =
        client
            .connection()
            .ask(
                CallServiceGrpc.getUpdateCallMembersMethod(),
                MembersOptions.request(type, id, options));
    take(answer.getCall(), answer.getViewer(), answer.getTargetsList());
    return answer;
  }

  /** Asks what rings, unless a ring is shown, which is then what was seen and is meant. */
  private void know() {
    if (ringing().isEmpty()) {
      get();
    }
  }

  /** The ring that is shown, if it rings the user or waits for an answer. */
  private String ringing() {
    ViewerState viewer = viewer();
    return viewer.getCallingState() == CallingState.CALLING_STATE_RINGING ? viewer.getRingId() : "";
  }

  /** The user's own unanswered rings. */
  private List<String> unanswered() {
    Told shown = told.get();
    return shown.call.getRingsList().stream()
        .filter(ring -> ring.getRingerId().equals(shown.viewer.getUserId()))
        .filter(ring -> ring.getState() == RingState.RING_STATE_RINGING)
        .map(Ring::getId)
        .toList();
  }

  private void sendReject(String ringId, String reason) {
    var request =
        RejectCallRequest.newBuilder()
            .setType(type)
            .setId(id)
            .setRingId(ringId)
            .setReason(reason)
            .setRequestId(RequestIds.next())
            .build();
    var answer = client.connection().ask(CallServiceGrpc.getRejectCallMethod(), request);
    take(answer.getCall(), answer.getViewer(), List.of());
  }

  private void sendCancel(List<String> ringIds, String reason) {
    for (String ringId : ringIds) {
      var request =
          CancelCallRequest.newBuilder()
              .setType(type)
              .setId(id)
              .setRingId(ringId)
              .setReason(reason)
              .setRequestId(RequestIds.next())
              .build();
      var answer = client.connection().ask(CallServiceGrpc.getCancelCallMethod(), request);
      take(answer.getCall(), answer.getViewer(), List.of());
    }
  }

  private void sendLeave(String reason) {
    var request =
        LeaveCallRequest.newBuilder()
            .setType(type)
            .setId(id)
            .setReason(reason)
            .setRequestId(RequestIds.next())
            .build();
    var answer = client.connection().ask(CallServiceGrpc.getLeaveCallMethod(), request);
    take(answer.getCall(), answer.getViewer(), List.of());
  }

  /** Shows what an answer tells, unless something newer has been told already. */
  private void take(dev.ringline.v1.Call call, ViewerState viewer, List<RingTarget> targets) {
    if (call.hasUpdatedAt()) {
      Timestamp changed = call.getUpdatedAt();
      // Who began to ring with the call's last change did so just now; who rang before was skipped.
      if (targets.stream()
          .filter(target -> target.getSkipReason() == SkipReason.SKIP_REASON_UNSPECIFIED)
          .anyMatch(target -> target.getRungAt().equals(changed))) {
        client.clock().guess(ServerClock.instant(changed));
      }
      client.clock().isPast(ServerClock.instant(changed));
    }
    told.updateAndGet(
        shown ->
            shown.call.getUid().equals(call.getUid())
                    && call.getRevision() < shown.call.getRevision()
                ? shown
                : new Told(call, viewer));
  }
}
