package dev.ringline;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.ringline.v1.CallChange;
import dev.ringline.v1.CallServiceGrpc;
import dev.ringline.v1.CancelCallRequest;
import dev.ringline.v1.CancelCallResponse;
import dev.ringline.v1.ChangeKind;
import dev.ringline.v1.GetCallRequest;
import dev.ringline.v1.GetCallResponse;
import dev.ringline.v1.JoinCallRequest;
import dev.ringline.v1.JoinCallResponse;
import dev.ringline.v1.LeaveCallRequest;
import dev.ringline.v1.LeaveCallResponse;
import dev.ringline.v1.RejectCallRequest;
import dev.ringline.v1.RejectCallResponse;
import dev.ringline.v1.Reset;
import dev.ringline.v1.SnapshotComplete;
import dev.ringline.v1.WatchCallsRequest;
import dev.ringline.v1.WatchCallsResponse;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.SocketAddress;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * A server that says what a real one says rarely: a stream for each script, in turn, and an answer
 * for each request.
 */
final class FakeServer extends CallServiceGrpc.CallServiceImplBase implements AutoCloseable {
  /** Says what is to be said on one stream. */
  interface Script {
    void play(StreamObserver<WatchCallsResponse> out);
  }

  /** What is no answer. */
  static final Object SILENCE = new Object();

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  final BlockingQueue<Script> streams = new LinkedBlockingQueue<>();
  final BlockingQueue<Object> answers = new LinkedBlockingQueue<>();
  final List<WatchCallsRequest> watches = new CopyOnWriteArrayList<>();
  final List<Long> opened = new CopyOnWriteArrayList<>();
  final List<Message> requests = new CopyOnWriteArrayList<>();
  final List<SocketAddress> peers = new CopyOnWriteArrayList<>();
  final List<String> authorizations = new CopyOnWriteArrayList<>();
  final CountDownLatch cancelled = new CountDownLatch(1);
  private final Server server;

  FakeServer() throws IOException {
    server =
        Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
            .addService(this)
            .intercept(
                new ServerInterceptor() {
                  @Override
                  public <Q, A> ServerCall.Listener<Q> interceptCall(
                      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
                    peers.add(call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR));
                    String sent = headers.get(AUTHORIZATION);
                    if (sent != null) {
                      authorizations.add(sent);
                    }
                    return next.startCall(call, headers);
                  }
                })
            .build()
            .start();
  }

  /** A client that pauses no longer than the server asks. */
  RinglineClient.Builder client() {
    return RinglineClient.builder("127.0.0.1:" + server.getPort())
        .user("bob")
        .device("phone")
        .ambient(new Ambient(System::nanoTime, () -> 0));
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  /** Adds a stream that says these things, and then fails, or stays open without an error. */
  void plays(Status end, WatchCallsResponse... messages) {
    plays(end == null ? null : end.asRuntimeException(), messages);
  }

  void plays(StatusRuntimeException end, WatchCallsResponse... messages) {
    streams.add(
        out -> {
          for (WatchCallsResponse message : messages) {
            out.onNext(message);
          }
          if (end != null && end.getStatus().isOk()) {
            out.onCompleted();
          } else if (end != null) {
            out.onError(end);
          }
        });
  }

  @Override
  public void watchCalls(WatchCallsRequest request, StreamObserver<WatchCallsResponse> out) {
    ((ServerCallStreamObserver<WatchCallsResponse>) out).setOnCancelHandler(cancelled::countDown);
    opened.add(System.nanoTime());
    watches.add(request);
    Script script = streams.poll();
    if (script != null) {
      script.play(out);
    }
  }

  @Override
  public void getCall(GetCallRequest request, StreamObserver<GetCallResponse> out) {
    answer(request, GetCallResponse.class, out);
  }

  @Override
  public void rejectCall(RejectCallRequest request, StreamObserver<RejectCallResponse> out) {
    answer(request, RejectCallResponse.class, out);
  }

  @Override
  public void cancelCall(CancelCallRequest request, StreamObserver<CancelCallResponse> out) {
    answer(request, CancelCallResponse.class, out);
  }

  @Override
  public void joinCall(JoinCallRequest request, StreamObserver<JoinCallResponse> out) {
    answer(request, JoinCallResponse.class, out);
  }

  @Override
  public void leaveCall(LeaveCallRequest request, StreamObserver<LeaveCallResponse> out) {
    answer(request, LeaveCallResponse.class, out);
  }

  private <A> void answer(Message request, Class<A> type, StreamObserver<A> out) {
    requests.add(request);
    Object answer = answers.poll();
    if (answer == null || answer == SILENCE) {
      return;
    }
    if (answer instanceof StatusRuntimeException error) {
      out.onError(error);
    } else {
      out.onNext(type.cast(answer));
      out.onCompleted();
    }
  }

  /** What the server refuses with. */
  static StatusRuntimeException refusal(Status.Code code, String reason, long retryAfterMillis) {
    var status =
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .setMessage("said the server")
            .addDetails(
                Any.pack(
                    ErrorInfo.newBuilder()
                        .setDomain("ringline")
                        .setReason(reason)
                        .putMetadata("key", "value")
                        .build()));
    if (retryAfterMillis > 0) {
      var delay =
          Duration.newBuilder()
              .setSeconds(retryAfterMillis / 1000)
              .setNanos((int) (retryAfterMillis % 1000) * 1_000_000);
      status.addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()));
    }
    return StatusProto.toStatusRuntimeException(status.build());
  }

  static dev.ringline.v1.Call call(String id, int revision) {
    return dev.ringline.v1.Call.newBuilder()
        .setType("default")
        .setId(id)
        .setCid("default:" + id)
        .setUid("uid of " + id)
        .setRevision(revision)
        .build();
  }

  static WatchCallsResponse change(ChangeKind kind, String id, int revision) {
    return WatchCallsResponse.newBuilder()
        .setChange(CallChange.newBuilder().setKind(kind).setCall(call(id, revision)))
        .build();
  }

  static WatchCallsResponse added(String id, int revision) {
    return change(ChangeKind.CHANGE_KIND_ADDED, id, revision);
  }

  static WatchCallsResponse complete(boolean resumed, String token) {
    return WatchCallsResponse.newBuilder()
        .setSnapshotComplete(SnapshotComplete.newBuilder().setResumed(resumed))
        .setResumeToken(token)
        .build();
  }

  static WatchCallsResponse reset() {
    return WatchCallsResponse.newBuilder().setReset(Reset.getDefaultInstance()).build();
  }
}
