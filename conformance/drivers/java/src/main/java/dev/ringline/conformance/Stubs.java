package dev.ringline.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Message;
import dev.ringline.v1.CallServiceGrpc;
import dev.ringline.v1.WatchCallsRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.util.Base64;
import java.util.NoSuchElementException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A client of the generated stubs: one channel, and the metadata of every RPC. */
final class Stubs implements AutoCloseable {
  /**
   * The smallest that HTTP/2 has unless asked. Fixed, so that who does not read holds the server
   * back soon.
   */
  private static final int WINDOW = 65535;

  private final ManagedChannel channel;
  private final Channel identified;

  Stubs(String address, JsonElement metadata) {
    channel =
        NettyChannelBuilder.forTarget(address, InsecureChannelCredentials.create())
            .disableRetry()
            .flowControlWindow(WINDOW)
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .build();
    identified =
        ClientInterceptors.intercept(
            channel, MetadataUtils.newAttachHeadersInterceptor(headers(metadata)));
  }

  private static Metadata headers(JsonElement metadata) {
    Metadata headers = new Metadata();
    JsonObject given = metadata == null ? new JsonObject() : metadata.getAsJsonObject();
    given
        .entrySet()
        .forEach(
            pair -> {
              String value = pair.getValue().getAsString();
              if (pair.getKey().endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
                headers.put(
                    Metadata.Key.of(pair.getKey(), Metadata.BINARY_BYTE_MARSHALLER),
                    Base64.getDecoder().decode(value));
              } else {
                headers.put(
                    Metadata.Key.of(pair.getKey(), Metadata.ASCII_STRING_MARSHALLER), value);
              }
            });
    return headers;
  }

  /** Calls a method by its name. */
  void unary(
      String name,
      JsonElement fields,
      JsonElement timeout,
      Consumer<JsonElement> answered,
      Consumer<JsonObject> failed) {
    CallOptions options = CallOptions.DEFAULT;
    if (timeout != null) {
      options =
          options.withDeadlineAfter((long) (timeout.getAsDouble() * 1e9), TimeUnit.NANOSECONDS);
    }
    send(method(name), fields, options, answered, failed);
  }

  private static MethodDescriptor<?, ?> method(String name) {
    return CallServiceGrpc.getServiceDescriptor().getMethods().stream()
        .filter(method -> name.equals(method.getBareMethodName()))
        .findFirst()
        .orElseThrow(() -> new NoSuchElementException("there is no method " + name));
  }

  private <Q, A> void send(
      MethodDescriptor<Q, A> method,
      JsonElement fields,
      CallOptions options,
      Consumer<JsonElement> answered,
      Consumer<JsonObject> failed) {
    var marshaller = (MethodDescriptor.PrototypeMarshaller<Q>) method.getRequestMarshaller();
    Message.Builder empty = ((Message) marshaller.getMessagePrototype()).newBuilderForType();
    Q request = marshaller.getMessageClass().cast(Json.read(fields, empty).build());
    ClientCall<Q, A> call = identified.newCall(method, options);
    call.start(
        new ClientCall.Listener<A>() {
          private JsonElement response;

          @Override
          public void onMessage(A message) {
            response = Json.of((Message) message);
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            if (status.isOk()) {
              answered.accept(response);
            } else {
              failed.accept(Errors.of(status, trailers));
            }
          }
        },
        new Metadata());
    call.request(2);
    call.sendMessage(request);
    call.halfClose();
  }

  /** Makes a stream ready to be opened. */
  StubWatch watch(JsonElement fields, Consumer<JsonElement> tell, Consumer<JsonObject> end) {
    return new StubWatch(
        identified.newCall(CallServiceGrpc.getWatchCallsMethod(), CallOptions.DEFAULT),
        Json.read(fields, WatchCallsRequest.newBuilder()).build(),
        tell,
        end);
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }
}
