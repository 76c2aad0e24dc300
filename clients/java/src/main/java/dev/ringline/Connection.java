package dev.ringline;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.ConnectivityState;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * The connection of a client: it says who one is with every RPC, and repeats requests until they
 * are answered.
 */
final class Connection {
  static final String VERSION = "0.1.0";

  /** Bounds what is received: a call is at most 1 MiB, a page of calls 2 MiB and a little more. */
  private static final int MAX_MESSAGE = 8 << 20;

  /**
   * How long one attempt of a request waits. An answer takes milliseconds: if nothing was heard for
   * so long, the connection may be dead, and repeating is safe.
   */
  private static final long ATTEMPT = TimeUnit.SECONDS.toNanos(5);

  private static final String CLOSED = "The client is closed.";

  private final String address;
  private final ChannelCredentials credentials;
  private final Metadata identity;
  private final Supplier<String> token;
  private final Duration timeout;
  private final Ambient ambient;

  private final CountDownLatch closed = new CountDownLatch(1);
  private final Set<Following<?>> watches = ConcurrentHashMap.newKeySet();
  private final List<ManagedChannel> retired = new ArrayList<>(); // guarded by this
  private ManagedChannel current; // guarded by this

  /** What one RPC goes over: the channel, the same with who one is, and the token that says so. */
  record Line(ManagedChannel channel, Channel identified, String token) {}

  Connection(
      String address,
      ChannelCredentials credentials,
      Metadata identity,
      Supplier<String> token,
      Duration timeout,
      Ambient ambient) {
    this.address = address;
    this.credentials = credentials;
    this.identity = identity;
    this.token = token;
    this.timeout = timeout;
    this.ambient = ambient;
    current = dial();
  }

  Ambient ambient() {
    return ambient;
  }

  boolean isClosed() {
    return closed.getCount() == 0;
  }

  /** Makes a channel. It connects when it is first used. */
  private ManagedChannel dial() {
    return Grpc.newChannelBuilder(address, credentials)
        .userAgent("ringline-java/" + VERSION)
        .maxInboundMessageSize(MAX_MESSAGE)
        .build();
  }

  /**
   * Returns the present channel. One that failed to connect would fail everything until it has
   * paused, for up to 2 min; when to try again is decided here, so a fresh one takes its place.
   */
  private synchronized ManagedChannel channel() {
    if (isClosed()) {
      throw new RinglineException(Status.Code.CANCELLED, CLOSED, null);
    }
    if (current.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
      replace();
    }
    return current;
  }

  /**
   * Takes another channel from now on, if this one is the present one: it went silent, and a dead
   * connection would be found again and again. What is under way on it may still end well.
   */
  synchronized void renew(ManagedChannel silent) {
    if (!isClosed() && current == silent) {
      replace();
    }
  }

  private void replace() {
    current.shutdown();
    retired.removeIf(ManagedChannel::isTerminated);
    retired.add(current);
    current = dial();
  }

  /** Returns what an RPC goes over. */
  Line line() {
    ManagedChannel channel = channel();
    Metadata headers = new Metadata();
    headers.merge(identity);
    String used = "";
    if (token != null) {
      used = askToken();
      Identity.put(headers, "authorization", "Bearer " + used);
    }
    Channel identified =
        ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(headers));
    return new Line(channel, identified, used);
  }

  /** Whether an app that renews its tokens has another one by now. */
  boolean hasOtherToken(String used) {
    return token != null && !askToken().equals(used);
  }

  private String askToken() {
    try {
      return token.get();
    } catch (RuntimeException e) {
      throw new RinglineException(
          Status.Code.UNAVAILABLE, "There is no token: " + e.getMessage(), e);
    }
  }

  /**
   * Sends a request and waits for the answer. While the server is unavailable or silent it is
   * repeated, as the time allows.
   */
  <Q, A> A ask(MethodDescriptor<Q, A> method, Q request) {
    long deadline = ambient.nanos().getAsLong() + timeout.toNanos();
    for (int attempt = 0; ; attempt++) {
      RinglineException failed;
      try {
        return once(method, request, deadline);
      } catch (RinglineException e) {
        failed = e;
      }
      if (isClosed()) {
        throw new RinglineException(Status.Code.CANCELLED, CLOSED, failed);
      }
      Duration pause = Backoff.RETRYING.delay(attempt, failed.retryAfter(), ambient.random());
      boolean inTime = pause.toNanos() < deadline - ambient.nanos().getAsLong();
      boolean heals =
          failed.code() == Status.Code.UNAVAILABLE
              || failed.code() == Status.Code.DEADLINE_EXCEEDED;
      if (!heals || !inTime) {
        throw failed;
      }
      rest(pause);
    }
  }

  private <Q, A> A once(MethodDescriptor<Q, A> method, Q request, long deadline) {
    Line line = line();
    long left = Math.min(ATTEMPT, deadline - ambient.nanos().getAsLong());
    CallOptions options =
        CallOptions.DEFAULT.withDeadlineAfter(Math.max(1, left), TimeUnit.NANOSECONDS);
    try {
      return ClientCalls.blockingUnaryCall(line.identified(), method, options, request);
    } catch (StatusRuntimeException e) {
      RinglineException failed = RinglineException.of(e.getStatus(), e.getTrailers());
      if (failed.code() == Status.Code.DEADLINE_EXCEEDED && failed.reasonName().isEmpty()) {
        renew(line.channel()); // nothing was heard
      }
      throw failed;
    }
  }

  private void rest(Duration pause) {
    try {
      if (closed.await(pause.toNanos(), TimeUnit.NANOSECONDS)) {
        throw new RinglineException(Status.Code.CANCELLED, CLOSED, null);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RinglineException(Status.Code.CANCELLED, "The thread was interrupted.", e);
    }
  }

  void add(Following<?> watch) {
    watches.add(watch);
  }

  void remove(Following<?> watch) {
    watches.remove(watch);
  }

  /** Ends everything that is under way. */
  void close() {
    synchronized (this) {
      closed.countDown();
      current.shutdownNow();
      retired.forEach(ManagedChannel::shutdownNow);
    }
    watches.forEach(Following::wake);
  }
}
