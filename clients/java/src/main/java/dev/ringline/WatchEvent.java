package dev.ringline;

import dev.ringline.v1.CallEventType;
import dev.ringline.v1.ChangeKind;
import dev.ringline.v1.ResetReason;
import dev.ringline.v1.StopReason;
import java.time.Instant;

/**
 * What {@link RinglineClient#watch()} tells. Kinds will be added: pass over one you do not know.
 */
public interface WatchEvent {
  /**
   * Says how a call stands now.
   *
   * @param kind what to do with the call on the screen; treat one you do not know as UPDATED
   * @param call the call, with all that it shows; of one that the user may not read any more,
   *     hardly anything
   * @param cause what happened
   * @param stopReason with REMOVED, what became of the ring or the call for the user
   * @param actorUserId who did it; empty if the server did
   * @param reason the free text that was given
   */
  record Change(
      ChangeKind kind,
      Call call,
      CallEventType cause,
      StopReason stopReason,
      String actorUserId,
      String reason)
      implements WatchEvent {}

  /**
   * Tells of a call without ringing. It is not told again after a reconnect.
   *
   * @param call the call, as it was then
   * @param actorUserId who notified; empty if a service that named no user did
   * @param video whether it is about a video call
   * @param time when it was sent
   */
  record Notification(Call call, String actorUserId, boolean video, Instant time)
      implements WatchEvent {}

  /**
   * Says that all there was has been told.
   *
   * @param resumed whether what was not told is as it was
   */
  record SnapshotComplete(boolean resumed) implements WatchEvent {}

  /**
   * Says to forget all calls: they are told anew.
   *
   * @param reason why, to be logged; unspecified if the watch began anew by itself
   */
  record Reset(ResetReason reason) implements WatchEvent {}
}
