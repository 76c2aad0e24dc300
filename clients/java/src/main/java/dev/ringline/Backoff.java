package dev.ringline;

import java.time.Duration;
import java.util.function.DoubleSupplier;

/**
 * How long to wait before trying again: full jitter, so that many clients do not come back all at
 * once.
 */
record Backoff(Duration base, Duration limit) {
  static final Backoff RETRYING = new Backoff(Duration.ofMillis(100), Duration.ofSeconds(2));
  static final Backoff RECONNECTING = new Backoff(Duration.ofMillis(500), Duration.ofSeconds(10));

  /**
   * The time before the attempt after this one, counted from 0. What the server asks for comes on
   * top: nobody comes back sooner.
   */
  Duration delay(int attempt, Duration retryAfter, DoubleSupplier random) {
    long ceiling = Math.min(limit.toNanos(), base.toNanos() << Math.min(attempt, 16));
    return retryAfter.plusNanos((long) (ceiling * random.getAsDouble()));
  }
}
