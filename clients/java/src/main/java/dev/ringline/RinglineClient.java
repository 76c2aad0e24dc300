package dev.ringline;

import dev.ringline.v1.CallServiceGrpc;
import dev.ringline.v1.ListCallEventsRequest;
import dev.ringline.v1.ListCallEventsResponse;
import dev.ringline.v1.ListCallsRequest;
import dev.ringline.v1.ListCallsResponse;
import dev.ringline.v1.ListEventsRequest;
import dev.ringline.v1.ListEventsResponse;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * A user on a device, connected to a server. It is safe for use by many threads. Close it when it
 * is done.
 */
public final class RinglineClient implements AutoCloseable {
  private final Connection connection;
  private final ServerClock clock;

  private RinglineClient(Connection connection) {
    this.connection = connection;
    clock = new ServerClock(connection.ambient().nanos());
  }

  /**
   * Begins a client of the server at an address.
   *
   * @param address {@code host:port}
   * @return what else there is to say about it
   */
  public static Builder builder(String address) {
    return new Builder(address);
  }

  /**
   * Returns a call by its type and id; whether it exists is the server's business. It shows nothing
   * until one of its verbs was answered.
   *
   * @param type the call type, such as {@code default}
   * @param id the id within the type
   * @return the call
   */
  public Call call(String type, String id) {
    return new Call(
        this,
        dev.ringline.v1.Call.newBuilder().setType(type).setId(id).build(),
        dev.ringline.v1.ViewerState.getDefaultInstance());
  }

  /**
   * Follows the calls that ring, incoming and outgoing: the present list, at once and at every
   * change, newest first. A subscriber that is slow gets the latest list and not those between.
   *
   * @return the list, to subscribe to
   */
  public Watch<List<Call>> watchCalls() {
    return watchCalls(with -> {});
  }

  /**
   * Follows calls, as {@link #watchCalls()}.
   *
   * @param options which calls
   * @return the list, to subscribe to
   */
  public Watch<List<Call>> watchCalls(Consumer<WatchOptions> options) {
    var request = WatchOptions.request(options);
    return new Watch<>(subscriber -> new FollowingCalls(this, request, subscriber));
  }

  /**
   * Follows what happens to the calls that ring, for what a list cannot show: why a call stopped
   * ringing, and notifications. While the subscriber wants nothing, the server merges what it owes.
   *
   * @return the events, to subscribe to
   */
  public Watch<WatchEvent> watch() {
    return watch(with -> {});
  }

  /**
   * Follows what happens to calls, as {@link #watch()}.
   *
   * @param options which calls
   * @return the events, to subscribe to
   */
  public Watch<WatchEvent> watch(Consumer<WatchOptions> options) {
    var request = WatchOptions.request(options);
    return new Watch<>(subscriber -> new FollowingEvents(this, request, subscriber));
  }

  /**
   * Lists calls, a page at a time.
   *
   * @param request which, and the page
   * @return the page
   */
  public ListCallsResponse listCalls(ListCallsRequest request) {
    return connection.ask(CallServiceGrpc.getListCallsMethod(), request);
  }

  /**
   * Lists what happened to a call, a page at a time, oldest first.
   *
   * @param request of which call, and the page
   * @return the page
   */
  public ListCallEventsResponse listCallEvents(ListCallEventsRequest request) {
    return connection.ask(CallServiceGrpc.getListCallEventsMethod(), request);
  }

  /**
   * Lists every call's events in order, for a service.
   *
   * @param request after which
   * @return the events
   */
  public ListEventsResponse listEvents(ListEventsRequest request) {
    return connection.ask(CallServiceGrpc.getListEventsMethod(), request);
  }

  /** Ends everything that is under way: watches complete, requests fail with CANCELLED. */
  @Override
  public void close() {
    connection.close();
  }

  Connection connection() {
    return connection;
  }

  ServerClock clock() {
    return clock;
  }

  /** What there is to say about a client. */
  public static final class Builder {
    private final String address;
    private final Metadata identity = new Metadata();
    private ChannelCredentials credentials;
    private Supplier<String> token;
    private Duration timeout = Duration.ofSeconds(10);
    private Ambient ambient = Ambient.REAL;

    private Builder(String address) {
      this.address = address;
    }

    /**
     * Names the user. A server in development mode believes it; with a service's token it is the
     * user as whom the service acts.
     *
     * @param id the user
     * @return this
     */
    public Builder user(String id) {
      Identity.put(identity, "x-user-id", id);
      return this;
    }

    /**
     * Names the device. Then "answered elsewhere" is told, and the right device is in the call.
     *
     * @param id the device
     * @return this
     */
    public Builder device(String id) {
      Identity.put(identity, "x-device-id", id);
      return this;
    }

    /**
     * Gives the token of every RPC. It is asked each time, so that it can renew tokens: it should
     * keep the one that is good. An exception of its counts as UNAVAILABLE. It needs {@link
     * #credentials}.
     *
     * @param supplier returns the token
     * @return this
     */
    public Builder token(Supplier<String> supplier) {
      token = supplier;
      return this;
    }

    /**
     * Says how to connect, with {@code TlsChannelCredentials.create()} for example. Default:
     * unencrypted, for development.
     *
     * @param channelCredentials gRPC's credentials
     * @return this
     */
    public Builder credentials(ChannelCredentials channelCredentials) {
      credentials = channelCredentials;
      return this;
    }

    /**
     * Says how long a verb may take, repeats included. Default: 10 s.
     *
     * @param time the time
     * @return this
     */
    public Builder timeout(Duration time) {
      timeout = time;
      return this;
    }

    /**
     * Adds metadata to every RPC, such as {@code x-teams} in development mode.
     *
     * @param key the key
     * @param value the value
     * @return this
     */
    public Builder metadata(String key, String value) {
      Identity.put(identity, key, value);
      return this;
    }

    Builder ambient(Ambient given) {
      ambient = given;
      return this;
    }

    /**
     * Makes the client. It connects when it is first used.
     *
     * @return the client
     */
    public RinglineClient build() {
      if (token != null && credentials == null) {
        throw new IllegalStateException(
            "A token needs channel credentials, or anybody on the way can read it.");
      }
      ChannelCredentials how =
          credentials == null ? InsecureChannelCredentials.create() : credentials;
      return new RinglineClient(new Connection(address, how, identity, token, timeout, ambient));
    }
  }
}
