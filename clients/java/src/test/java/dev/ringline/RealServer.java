package dev.ringline;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A real server, on an address and a database that outlive it. RINGLINE_SERVER names the program;
 * by default it is the checkout's own.
 */
final class RealServer implements AutoCloseable {
  private final Path folder;
  private String address = "127.0.0.1:0";
  private Process process;

  RealServer(Path folder) throws IOException {
    this.folder = folder;
    start();
  }

  /** Starts it, again on the address that it had. */
  void start() throws IOException {
    String program =
        System.getenv().getOrDefault("RINGLINE_SERVER", "../../.venv/bin/ringline-server");
    process =
        new ProcessBuilder(
                program,
                "serve",
                "--listen",
                address,
                "--database",
                folder.resolve("test.db").toString(),
                "--log-level",
                "error")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    var said =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    String line = said.readLine();
    if (line == null || !line.contains("serving on ")) {
      throw new IOException("the server said: " + line);
    }
    address = line.split("serving on ")[1].split(" ")[0];
  }

  /** Ends it as planned. */
  void stop() throws InterruptedException {
    process.destroy();
    process.waitFor();
  }

  /** Ends it without a chance to say goodbye. */
  void kill() throws InterruptedException {
    process.destroyForcibly();
    process.waitFor();
  }

  /** A client that waits for an answer however busy the machine is. */
  RinglineClient as(String user, String device) {
    return RinglineClient.builder(address)
        .user(user)
        .device(device)
        .timeout(Duration.ofSeconds(50))
        .build();
  }

  @Override
  public void close() throws InterruptedException {
    kill();
  }
}
