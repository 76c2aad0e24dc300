package dev.ringline.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.ringline.v1.WatchCallsRequest;
import dev.ringline.v1.WatchCallsResponse;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.function.Consumer;

/** A stream that can be paused: while nothing is read, flow control holds the server back. */
final class StubWatch extends ClientCall.Listener<WatchCallsResponse> {
  private final ClientCall<WatchCallsRequest, WatchCallsResponse> call;
  private final WatchCallsRequest request;
  private final Consumer<JsonElement> tell;
  private final Consumer<JsonObject> end;
  private boolean paused; // guarded by this
  private boolean owes; // guarded by this: the next message was not asked for

  StubWatch(
      ClientCall<WatchCallsRequest, WatchCallsResponse> call,
      WatchCallsRequest request,
      Consumer<JsonElement> tell,
      Consumer<JsonObject> end) {
    this.call = call;
    this.request = request;
    this.tell = tell;
    this.end = end;
  }

  void start() {
    call.start(this, new Metadata());
    call.request(1);
    call.sendMessage(request);
    call.halfClose();
  }

  synchronized void pause() {
    paused = true;
  }

  synchronized void resume() {
    paused = false;
    if (owes) {
      owes = false;
      call.request(1);
    }
  }

  void cancel() {
    call.cancel("cancelled by the client", null);
  }

  @Override
  public void onMessage(WatchCallsResponse message) {
    tell.accept(Json.of(message));
    synchronized (this) {
      owes = paused;
      if (!paused) {
        call.request(1);
      }
    }
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    end.accept(Errors.of(status, trailers));
  }
}
