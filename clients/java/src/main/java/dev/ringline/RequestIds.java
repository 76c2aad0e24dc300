package dev.ringline;

import java.security.SecureRandom;
import java.util.Base64;

/** Random ids, so that a request that is repeated happens once. */
final class RequestIds {
  private static final SecureRandom RANDOM = new SecureRandom();

  private RequestIds() {}

  static String next() {
    byte[] bytes = new byte[18];
    RANDOM.nextBytes(bytes);
    return Base64.getUrlEncoder().encodeToString(bytes);
  }
}
