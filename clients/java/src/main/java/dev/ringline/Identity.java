package dev.ringline;

import io.grpc.Metadata;
import java.nio.charset.StandardCharsets;

/** Says in metadata who one is. */
final class Identity {
  private Identity() {}

  /** Adds a value, under -bin what gRPC's ASCII metadata cannot carry as it is. */
  static void put(Metadata headers, String key, String value) {
    if (isPlain(value)) {
      headers.put(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER), value);
    } else {
      headers.put(
          Metadata.Key.of(key + Metadata.BINARY_HEADER_SUFFIX, Metadata.BINARY_BYTE_MARSHALLER),
          value.getBytes(StandardCharsets.UTF_8));
    }
  }

  private static boolean isPlain(String value) {
    return value.equals(value.strip())
        && value.chars().allMatch(letter -> ' ' <= letter && letter <= '~');
  }
}
