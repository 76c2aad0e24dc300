package dev.ringline;

import dev.ringline.v1.ChangeKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The calls to show, from what a watch tells. Once it was complete it stays so: while calls are
 * told anew the old ones stand, so that nothing flickers.
 */
final class Picture {
  private List<Call> shown = List.of();
  private List<Call> coming = List.of();
  private boolean complete;
  private boolean anew;

  /** Takes an event, and returns the calls, newest first, if there is something new to show. */
  Optional<List<Call>> apply(WatchEvent event) {
    if (event instanceof WatchEvent.Reset) {
      coming = List.of();
      anew = true;
    } else if (event instanceof WatchEvent.Change change) {
      if (!complete || anew) {
        coming = changed(coming, change, false);
        return Optional.empty();
      }
      List<Call> before = shown;
      shown = changed(shown, change, true);
      return shown.equals(before) ? Optional.empty() : Optional.of(shown);
    } else if (event instanceof WatchEvent.SnapshotComplete && (!complete || anew)) {
      shown = coming;
      coming = List.of();
      complete = true;
      anew = false;
      return Optional.of(shown);
    }
    return Optional.empty();
  }

  /**
   * The calls after a change. Of a live list the newest comes first; a snapshot is told in that
   * order.
   */
  private static List<Call> changed(List<Call> calls, WatchEvent.Change change, boolean live) {
    List<Call> next = new ArrayList<>(calls);
    int at = 0;
    while (at < next.size() && !next.get(at).cid().equals(change.call().cid())) {
      at++;
    }
    boolean known = at < next.size();
    if (change.kind() == ChangeKind.CHANGE_KIND_REMOVED) {
      if (known) {
        next.remove(at);
      }
    } else if (known) {
      next.set(at, change.call());
    } else {
      next.add(live ? 0 : at, change.call());
    }
    return List.copyOf(next);
  }
}
