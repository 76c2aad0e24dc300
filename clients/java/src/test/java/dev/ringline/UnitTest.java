package dev.ringline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.ringline.v1.CallState;
import dev.ringline.v1.CallingState;
import dev.ringline.v1.RingTargetState;
import io.grpc.Metadata;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class UnitTest {
  @Test
  void delaysGrowAreSpreadAndAreNeverSoonerThanTheServerAsks() {
    Backoff backoff = new Backoff(Duration.ofMillis(100), Duration.ofSeconds(2));
    assertEquals(Duration.ofMillis(50), backoff.delay(0, Duration.ZERO, () -> 0.5));
    assertEquals(Duration.ofMillis(200), backoff.delay(2, Duration.ZERO, () -> 0.5));
    assertEquals(Duration.ofSeconds(1), backoff.delay(1000, Duration.ZERO, () -> 0.5));
    assertEquals(Duration.ofSeconds(7), backoff.delay(3, Duration.ofSeconds(7), () -> 0));
  }

  @Test
  void revisionsAreBoundedAndRememberTheLatest() {
    Revisions seen = new Revisions();
    for (int at = 0; at < 3 * Revisions.MAX; at++) {
      assertTrue(seen.isNews(FakeServer.call("call " + at, 5)));
    }
    assertFalse(seen.isNews(FakeServer.call("call " + (3 * Revisions.MAX - 1), 4)));
    assertTrue(seen.isNews(FakeServer.call("call 0", 4)), "forgotten by now");
  }

  @Test
  void theServersClockGoesOnByItselfAndIsNotTheDevices() {
    AtomicLong nanos = new AtomicLong();
    ServerClock clock = new ServerClock(nanos::get);
    Instant then = Instant.parse("2001-01-01T00:00:30Z");
    assertEquals(Optional.empty(), clock.until(then));
    clock.isPast(Instant.parse("2001-01-01T00:00:00Z"));
    assertEquals(Optional.empty(), clock.until(then), "it is not known how long ago that was");
    clock.told(Instant.parse("2001-01-01T00:00:00Z"));
    nanos.set(10_000_000_000L);
    assertEquals(Optional.of(Duration.ofSeconds(20)), clock.until(then));
    clock.guess(Instant.parse("2001-01-01T00:00:00Z"));
    assertEquals(Optional.of(Duration.ofSeconds(20)), clock.until(then), "it is known better");
    clock.isPast(Instant.parse("2001-01-01T00:00:25Z"));
    assertEquals(Optional.of(Duration.ofSeconds(5)), clock.until(then));
    nanos.set(60_000_000_000L);
    assertEquals(Optional.of(Duration.ZERO), clock.until(then));
  }

  @Test
  void identitiesThatAsciiMetadataCannotCarryAreSentAsBytes() {
    for (String plain : List.of("my friend", "a", "~!", "")) {
      assertEquals(List.of("x-user-id"), List.copyOf(sent(plain).keys()), plain);
    }
    var key = Metadata.Key.of("x-user-id-bin", Metadata.BINARY_BYTE_MARSHALLER);
    for (String other : List.of("鈴木", "Zoë", " a", "a ", "a\tb")) {
      assertEquals(other, new String(sent(other).get(key), StandardCharsets.UTF_8));
    }
  }

  private static Metadata sent(String value) {
    Metadata headers = new Metadata();
    Identity.put(headers, "x-user-id", value);
    return headers;
  }

  @Test
  void enumValuesAreShownWithoutTheirPrefixAndUnknownOnesByNumber() {
    assertEquals("RINGING", EnumNames.of(CallState.getDescriptor(), 2));
    assertEquals(
        "JOINED",
        EnumNames.of(CallingState.getDescriptor(), CallingState.CALLING_STATE_JOINED_VALUE));
    assertEquals(
        "MISSED",
        EnumNames.of(
            RingTargetState.getDescriptor(), RingTargetState.RING_TARGET_STATE_MISSED_VALUE));
    assertEquals("UNKNOWN(17)", EnumNames.of(CallState.getDescriptor(), 17));
  }

  @Test
  void customDataAreWhatJsonCanSay() {
    var struct = Structs.of(Map.of("a", Arrays.asList(1, true, null), "b", Map.of("c", "d")));
    var list = struct.getFieldsOrThrow("a").getListValue().getValuesList();
    assertEquals(1.0, list.get(0).getNumberValue());
    assertTrue(list.get(1).getBoolValue());
    assertTrue(list.get(2).hasNullValue());
    assertEquals(
        "d", struct.getFieldsOrThrow("b").getStructValue().getFieldsOrThrow("c").getStringValue());
    assertThrows(IllegalArgumentException.class, () -> Structs.of(Map.of("a", new Object())));
  }

  @Test
  void aTokenIsNotSentInTheClear() {
    var builder = RinglineClient.builder("127.0.0.1:1").token(() -> "secret");
    assertThrows(IllegalStateException.class, builder::build);
  }
}
