package app;

import dev.ringline.RinglineClient;
import dev.ringline.RinglineException;
import dev.ringline.v1.CallServiceGrpc;
import java.time.Duration;

/** An app that has nothing but the package: ./check builds and runs it in an empty folder. */
public final class App {
  /**
   * Asks a server that is not there.
   *
   * @param args none
   */
  public static void main(String[] args) {
    try (var client =
        RinglineClient.builder("127.0.0.1:1")
            .user("myself")
            .timeout(Duration.ofMillis(300))
            .build()) {
      var call = client.call("default", "test");
      try {
        call.get();
        throw new IllegalStateException("somebody answered");
      } catch (RinglineException e) {
        System.out.printf(
            "%s in a project of its own: %s %s%n",
            CallServiceGrpc.SERVICE_NAME, call.cid(), e.code());
      }
    }
  }
}
