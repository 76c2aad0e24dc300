package dev.ringline;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * What the server's clock says now, from what it said last and the time since. The device's time of
 * day is never asked.
 */
final class ServerClock {
  private final LongSupplier nanos;
  private Instant said;
  private long heard;

  ServerClock(LongSupplier nanos) {
    this.nanos = nanos;
  }

  /** Takes what the server's clock says now. */
  synchronized void told(Instant now) {
    said = now;
    heard = nanos.getAsLong();
  }

  /** Takes what the server's clock probably says now, if nothing better is known. */
  synchronized void guess(Instant now) {
    if (said == null) {
      told(now);
    }
  }

  /**
   * Takes that the server spoke of this time as past. Alone it does not tell how long ago that was.
   */
  synchronized void isPast(Instant then) {
    if (said != null && then.isAfter(now())) {
      told(then);
    }
  }

  /** How long it is until then, if anything is known of the server's clock. */
  synchronized Optional<Duration> until(Instant then) {
    if (said == null) {
      return Optional.empty();
    }
    Duration left = Duration.between(now(), then);
    return Optional.of(left.isNegative() ? Duration.ZERO : left);
  }

  private Instant now() {
    return said.plusNanos(nanos.getAsLong() - heard);
  }

  static Instant instant(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
  }
}
