package dev.ringline;

import java.util.concurrent.ThreadLocalRandom;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;

/**
 * Time and chance, which tests replace: a monotonic clock in nanoseconds, and numbers of 0 up to 1.
 */
record Ambient(LongSupplier nanos, DoubleSupplier random) {
  static final Ambient REAL =
      new Ambient(System::nanoTime, () -> ThreadLocalRandom.current().nextDouble());
}
