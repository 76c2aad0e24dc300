package dev.ringline;

import com.google.protobuf.Duration;
import dev.ringline.v1.CallChange;
import dev.ringline.v1.CallNotification;
import dev.ringline.v1.CallServiceGrpc;
import dev.ringline.v1.ErrorReason;
import dev.ringline.v1.ResetReason;
import dev.ringline.v1.WatchCallsRequest;
import dev.ringline.v1.WatchCallsResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One watch over all its streams, for one subscriber. It follows them on a thread of its own, which
 * calls the subscriber too.
 */
abstract class Following<T> implements Flow.Subscription, Runnable {
  /** How many heartbeat intervals without a message mean that a connection is dead. */
  private static final double SILENCE = 2.5;

  /** How many messages may wait here: what a slow subscriber does not need to see one by one. */
  private static final int AHEAD = 64;

  private final RinglineClient client;
  private final Connection connection;
  private final Flow.Subscriber<? super T> subscriber;
  private final WatchCallsRequest.Builder request;
  private final long patience;
  private final BlockingQueue<Signal> inbox = new LinkedBlockingQueue<>();

  private final Revisions seen = new Revisions();
  private boolean told; // something that is to be forgotten when it is told anew
  private boolean settled; // the present stream has told all there was
  private String usedToken = "";

  private long demand; // guarded by this
  private boolean cancelled; // guarded by this
  private IllegalArgumentException misused; // guarded by this

  /** What wakes the thread. */
  private interface Signal {}

  private record Message(ClientCall<?, ?> from, WatchCallsResponse content) implements Signal {}

  private record End(ClientCall<?, ?> from, Status status, Metadata trailers) implements Signal {}

  private enum Wake implements Signal {
    WAKE
  }

  Following(
      RinglineClient client, WatchCallsRequest request, Flow.Subscriber<? super T> subscriber) {
    this.client = client;
    this.connection = client.connection();
    this.subscriber = subscriber;
    this.request = request.toBuilder();
    Duration interval = request.getHeartbeatInterval();
    patience = (long) (SILENCE * (interval.getSeconds() * 1e9 + interval.getNanos()));
  }

  /** Takes an event. */
  abstract void take(WatchEvent event);

  /** Hands over what waits, if the subscriber wants something. */
  abstract void handOver();

  final void start() {
    connection.add(this);
    subscriber.onSubscribe(this);
    Thread thread = new Thread(this, "ringline-watch");
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public final void request(long count) {
    synchronized (this) {
      if (count <= 0) {
        misused = new IllegalArgumentException("A subscriber must ask for at least one item.");
      } else {
        demand = demand + count < 0 ? Long.MAX_VALUE : demand + count;
      }
    }
    wake();
  }

  @Override
  public final void cancel() {
    synchronized (this) {
      cancelled = true;
    }
    wake();
  }

  final void wake() {
    synchronized (this) {
      notifyAll();
    }
    inbox.add(Wake.WAKE);
  }

  /** Hands an item over if one is wanted. */
  final boolean give(T item) {
    synchronized (this) {
      if (demand == 0 || over()) {
        return false;
      }
      demand--;
    }
    subscriber.onNext(item);
    return true;
  }

  /** Hands an item over once one is wanted, or forgets it if the watch is over before. */
  final void giveInTime(T item) {
    synchronized (this) {
      while (demand == 0 && !over()) {
        try {
          wait();
        } catch (InterruptedException e) {
          cancelled = true;
        }
      }
    }
    give(item);
  }

  /** Whether no message waits. */
  final boolean isIdle() {
    return inbox.isEmpty();
  }

  private synchronized boolean over() {
    return cancelled || misused != null || connection.isClosed();
  }

  @Override
  public final void run() {
    Throwable failed;
    try {
      failed = follow();
    } catch (InterruptedException e) {
      return; // nobody else knows this thread: the subscriber interrupted it, and is gone
    } finally {
      connection.remove(this);
    }
    synchronized (this) {
      if (cancelled) {
        return;
      }
      cancelled = true;
      failed = misused == null ? failed : misused;
    }
    if (failed == null) {
      subscriber.onComplete();
    } else {
      subscriber.onError(failed);
    }
  }

  /** Goes on until it is over, or fails with what cannot heal. */
  private RinglineException follow() throws InterruptedException {
    for (int attempt = 0; ; attempt++) {
      settled = false;
      RinglineException failed = stream();
      if (over()) {
        return null;
      }
      if (failed != null && !heals(failed)) {
        return failed;
      }
      if (settled) {
        attempt = 0;
      }
      handOver(); // it may be long until there is something newer
      var retryAfter = failed == null ? java.time.Duration.ZERO : failed.retryAfter();
      var random = connection.ambient().random();
      long until =
          System.nanoTime() + Backoff.RECONNECTING.delay(attempt, retryAfter, random).toNanos();
      while (next(until) != null) {
        if (over()) {
          return null;
        }
        handOver();
      }
    }
  }

  /** Whether trying again may help after an error. */
  private boolean heals(RinglineException failed) {
    return switch (failed.code()) {
      case INVALID_ARGUMENT, PERMISSION_DENIED, UNIMPLEMENTED -> false;
      case UNAUTHENTICATED -> {
        try {
          yield connection.hasOtherToken(usedToken);
        } catch (RinglineException e) {
          yield true; // there may be one later
        }
      }
      default -> failed.reason() != ErrorReason.ERROR_REASON_WATCH_REPLACED;
    };
  }

  private Signal next(long until) throws InterruptedException {
    return inbox.poll(until - System.nanoTime(), TimeUnit.NANOSECONDS);
  }

  /** Follows one stream to its end, and returns what it failed with, if it did. */
  private RinglineException stream() throws InterruptedException {
    Connection.Line line;
    try {
      line = connection.line();
    } catch (RinglineException e) {
      return e;
    }
    usedToken = line.token();
    var call =
        line.identified().newCall(CallServiceGrpc.getWatchCallsMethod(), CallOptions.DEFAULT);
    try {
      open(call);
      boolean fresh = request.getResumeToken().isEmpty();
      long until = System.nanoTime() + patience;
      while (true) {
        Signal signal = next(until);
        if (over()) {
          return null;
        }
        if (signal == null) {
          connection.renew(line.channel());
          return null;
        }
        if (signal instanceof End end && end.from == call) {
          return end.status.isOk() ? null : RinglineException.of(end.status, end.trailers);
        }
        if (signal instanceof Message message && message.from == call) {
          if (fresh) {
            fresh = false;
            forget(ResetReason.RESET_REASON_UNSPECIFIED);
          }
          apply(message.content);
          call.request(1);
          handOver();
          until = System.nanoTime() + patience; // however long the subscriber took
        } else {
          handOver();
        }
      }
    } finally {
      call.cancel("The watch goes no further on this stream.", null);
    }
  }

  private void open(ClientCall<WatchCallsRequest, WatchCallsResponse> call) {
    call.start(
        new ClientCall.Listener<>() {
          @Override
          public void onMessage(WatchCallsResponse content) {
            inbox.add(new Message(call, content));
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            inbox.add(new End(call, status, trailers));
          }
        },
        new Metadata());
    call.request(AHEAD);
    call.sendMessage(request.build());
    call.halfClose();
  }

  /**
   * Takes a message. What a newer server says beside is passed over; going_away too, since the end
   * follows.
   */
  private void apply(WatchCallsResponse message) {
    if (message.hasServerTime()) {
      client.clock().told(ServerClock.instant(message.getServerTime()));
    }
    if (!message.getResumeToken().isEmpty()) {
      request.setResumeToken(message.getResumeToken());
    }
    switch (message.getEventCase()) {
      case CHANGE -> change(message.getChange());
      case NOTIFICATION -> {
        CallNotification one = message.getNotification();
        take(
            new WatchEvent.Notification(
                new Call(client, one.getCall(), one.getViewer()),
                one.getActorUserId(),
                one.getVideo(),
                ServerClock.instant(one.getTime())));
      }
      case SNAPSHOT_COMPLETE -> {
        settled = true;
        told = true;
        take(new WatchEvent.SnapshotComplete(message.getSnapshotComplete().getResumed()));
      }
      case RESET -> {
        request.setResumeToken(message.getResumeToken());
        forget(message.getReset().getReason());
      }
      default -> {}
    }
  }

  private void change(CallChange change) {
    if (!seen.isNews(change.getCall())) {
      return;
    }
    told = true;
    take(
        new WatchEvent.Change(
            change.getKind(),
            new Call(client, change.getCall(), change.getViewer()),
            change.getCause(),
            change.getStopReason(),
            change.getActorUserId(),
            change.getReason()));
  }

  /** Begins anew. A server that was restored from a backup counts the same revisions again. */
  private void forget(ResetReason reason) {
    seen.forget();
    if (told) {
      told = false;
      take(new WatchEvent.Reset(reason));
    }
  }
}
