package dev.ringline.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.RuntimeVersion;
import io.grpc.Grpc;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The conformance driver for Java: what it must do is in conformance/protocol.md. Commands come on
 * stdin, reports go to stdout. What may take long runs beside.
 */
public final class Driver {
  private final PrintStream out =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
  private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();
  private final ExecutorService beside = Executors.newCachedThreadPool();
  private final Map<String, AutoCloseable> clients = new ConcurrentHashMap<>();
  private final Map<String, StubWatch> watches = new ConcurrentHashMap<>();
  private final Map<String, Runnable> follows = new ConcurrentHashMap<>();

  private Driver() {}

  /**
   * Does what is asked for until stdin ends.
   *
   * @param args none
   * @throws IOException if stdin cannot be read
   */
  public static void main(String[] args) throws IOException {
    Driver driver = new Driver();
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      driver.take(JsonParser.parseString(line).getAsJsonObject());
    }
    driver.clients.keySet().forEach(driver::close);
    driver.beside.shutdown();
  }

  private void take(JsonObject command) {
    try {
      begin(command);
    } catch (RuntimeException e) {
      answer(command, "error", Errors.explained(e));
    }
  }

  private void begin(JsonObject command) {
    switch (text(command, "op")) {
      case "hello" -> {
        JsonObject hello = new JsonObject();
        hello.addProperty("language", "java");
        hello.addProperty("sdk", true);
        hello.add("versions", versions());
        hello.add("id", command.get("id"));
        report(hello);
      }
      case "connect" -> {
        clients.put(
            text(command, "client"), new Stubs(text(command, "address"), command.get("metadata")));
        answer(command);
      }
      case "unary" ->
          known(clients, command, "client", Stubs.class)
              .unary(
                  text(command, "method"),
                  command.get("request"),
                  command.get("timeout"),
                  response -> answer(command, "response", response),
                  error -> answer(command, "error", error));
      case "watch" -> {
        String name = text(command, "watch");
        Stubs stubs = known(clients, command, "client", Stubs.class);
        StubWatch watch =
            stubs.watch(
                command.get("request"),
                message -> tell("watch", name, "message", message),
                end -> tell("watch", name, "end", end));
        watches.put(name, watch);
        answer(command);
        watch.start();
      }
      case "pause" -> {
        known(watches, command, "watch", StubWatch.class).pause();
        answer(command);
      }
      case "resume" -> {
        known(watches, command, "watch", StubWatch.class).resume();
        answer(command);
      }
      case "cancel" -> {
        StubWatch watch = known(watches, command, "watch", StubWatch.class);
        answer(command);
        watch.cancel();
      }
      case "close" -> {
        close(text(command, "client"));
        answer(command);
      }
      case "sdk.connect" -> {
        clients.put(text(command, "client"), new Sdk(command));
        answer(command);
      }
      case "sdk.do" -> {
        Sdk sdk = known(clients, command, "client", Sdk.class);
        beside.execute(
            () -> {
              try {
                answer(command, "result", sdk.act(command));
              } catch (RuntimeException e) {
                answer(command, "error", Errors.explained(e));
              }
            });
      }
      case "sdk.follow" -> {
        String name = text(command, "follow");
        Sdk sdk = known(clients, command, "client", Sdk.class);
        answer(command);
        follows.put(
            name,
            sdk.follow(
                command.get("args"),
                calls -> tell("follow", name, "calls", calls),
                end -> tell("follow", name, "end", end)));
      }
      case "sdk.unfollow" -> {
        Runnable stop = known(follows, command, "follow", Runnable.class);
        answer(command);
        stop.run();
      }
      default -> throw new NoSuchElementException("there is no op " + text(command, "op"));
    }
  }

  private void close(String client) {
    try {
      AutoCloseable closing = clients.remove(client);
      if (closing == null) {
        throw new NoSuchElementException("there is no client " + client);
      }
      closing.close();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static <T> T known(
      Map<String, ? super T> all, JsonObject command, String kind, Class<T> type) {
    String name = text(command, kind);
    if (!type.isInstance(all.get(name))) {
      throw new NoSuchElementException("there is no " + kind + " " + name);
    }
    return type.cast(all.get(name));
  }

  static String text(JsonObject command, String key) {
    return command.has(key) ? command.get(key).getAsString() : "";
  }

  private void answer(JsonObject command) {
    JsonObject report = new JsonObject();
    report.add("id", command.get("id"));
    report(report);
  }

  private void answer(JsonObject command, String key, JsonElement content) {
    JsonObject report = new JsonObject();
    report.add("id", command.get("id"));
    report.add(key, content);
    report(report);
  }

  private void tell(String kind, String name, String key, JsonElement content) {
    JsonObject report = new JsonObject();
    report.addProperty(kind, name);
    report.add(key, content);
    report(report);
  }

  private void report(JsonObject report) {
    out.println(gson.toJson(report));
  }

  private static JsonObject versions() {
    JsonObject versions = new JsonObject();
    versions.addProperty("grpc", Grpc.class.getPackage().getImplementationVersion());
    versions.addProperty(
        "protobuf", protobuf("MAJOR") + "." + protobuf("MINOR") + "." + protobuf("PATCH"));
    return versions;
  }

  /** A part of the version, asked by name: a constant would be that of the compiler. */
  private static Object protobuf(String part) {
    try {
      return RuntimeVersion.class.getField(part).get(null);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
