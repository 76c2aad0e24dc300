package dev.ringline.conformance;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.reflect.TypeToken;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.Struct;
import com.google.protobuf.Timestamp;
import dev.ringline.Call;
import dev.ringline.EnumNames;
import dev.ringline.RinglineClient;
import dev.ringline.v1.CallData;
import dev.ringline.v1.CallDirection;
import dev.ringline.v1.CallState;
import dev.ringline.v1.CallingState;
import dev.ringline.v1.CancelCallRequest;
import dev.ringline.v1.EndCallRequest;
import dev.ringline.v1.GetCallRequest;
import dev.ringline.v1.GetOrCreateCallRequest;
import dev.ringline.v1.JoinCallRequest;
import dev.ringline.v1.MemberInput;
import dev.ringline.v1.Participant;
import dev.ringline.v1.RejectCallRequest;
import dev.ringline.v1.RingCallRequest;
import dev.ringline.v1.UpdateCallMembersRequest;
import dev.ringline.v1.UpdateCallRequest;
import dev.ringline.v1.WatchCallsRequest;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/** A client of the SDK, and the calls as it has shown them last: the verbs mean those. */
final class Sdk implements AutoCloseable {
  private final RinglineClient client;
  private final Map<String, Call> shown = new ConcurrentHashMap<>();

  Sdk(JsonObject command) {
    RinglineClient.Builder builder =
        RinglineClient.builder(Driver.text(command, "address")).user(Driver.text(command, "user"));
    if (command.has("device") && !Driver.text(command, "device").isEmpty()) {
      builder.device(Driver.text(command, "device"));
    }
    client = builder.build();
  }

  @Override
  public void close() {
    client.close();
  }

  /** Does a verb, and returns the call as it is shown then. */
  JsonObject act(JsonObject command) {
    String type = Driver.text(command, "type");
    String id = Driver.text(command, "callId");
    Call call = shown.computeIfAbsent(type + ":" + id, cid -> client.call(type, id));
    JsonElement args = command.get("args");
    Participant participant = null;
    switch (Driver.text(command, "verb")) {
      case "getOrCreate" -> getOrCreate(call, args);
      case "get" -> {
        GetCallRequest given =
            given(args, GetCallRequest.newBuilder(), "ring", "notify", "video").build();
        call.get(
            with -> with.ring(given.getRing()).notify(given.getNotify()).video(given.getVideo()));
      }
      case "ring" -> {
        RingCallRequest given =
            given(args, RingCallRequest.newBuilder(), "user_ids", "video").build();
        call.ring(
            with ->
                with.users(given.getUserIdsList().toArray(String[]::new)).video(given.getVideo()));
      }
      case "join" -> {
        JoinCallRequest given =
            given(args, JoinCallRequest.newBuilder(), "mode", "ring_id").build();
        participant =
            call.join(with -> with.mode(given.getMode()).ringId(given.getRingId()))
                .getParticipant();
      }
      case "reject" -> {
        RejectCallRequest given =
            given(args, RejectCallRequest.newBuilder(), "reason", "ring_id").build();
        call.reject(with -> with.reason(given.getReason()).ringId(given.getRingId()));
      }
      case "cancel" -> {
        CancelCallRequest given =
            given(args, CancelCallRequest.newBuilder(), "reason", "ring_id").build();
        call.cancel(with -> with.reason(given.getReason()).ringId(given.getRingId()));
      }
      case "leave" -> leave(call, args);
      case "end" ->
          call.endCall(given(args, EndCallRequest.newBuilder(), "reason").build().getReason());
      case "update" -> update(call, args);
      case "updateMembers" -> updateMembers(call, args);
      default ->
          throw new NoSuchElementException("there is no verb " + Driver.text(command, "verb"));
    }
    JsonObject result = told(call);
    if (participant != null) {
      JsonObject in = new JsonObject();
      in.addProperty("userId", participant.getUserId());
      in.addProperty("deviceId", participant.getDeviceId());
      result.add("participant", in);
    }
    return result;
  }

  private static void getOrCreate(Call call, JsonElement args) {
    GetOrCreateCallRequest given =
        given(args, GetOrCreateCallRequest.newBuilder(), "data", "ring", "notify", "video").build();
    CallData data = given.getData();
    only(data, "members", "custom", "settings", "starts_at", "team");
    call.getOrCreate(
        with -> {
          with.ring(given.getRing()).notify(given.getNotify()).video(given.getVideo());
          with.members(data.getMembersList().toArray(MemberInput[]::new)).team(data.getTeam());
          if (data.hasCustom()) {
            with.custom(map(data.getCustom()));
          }
          if (data.hasSettings()) {
            with.settings(data.getSettings());
          }
          if (data.hasStartsAt()) {
            with.startsAt(instant(data.getStartsAt()));
          }
        });
  }

  private static void leave(Call call, JsonElement args) {
    JsonObject given = args == null ? new JsonObject() : args.getAsJsonObject();
    boolean reject = given.has("reject") && given.get("reject").getAsBoolean();
    call.leave(with -> with.reject(reject).reason(Driver.text(given, "reason")));
  }

  private static void update(Call call, JsonElement args) {
    UpdateCallRequest given =
        given(
                args,
                UpdateCallRequest.newBuilder(),
                "custom",
                "settings",
                "starts_at",
                "update_mask",
                "expected_revision")
            .build();
    call.update(
        with -> {
          with.ifRevision(given.getExpectedRevision());
          if (given.hasUpdateMask()) {
            with.mask(given.getUpdateMask().getPathsList().toArray(String[]::new));
          }
          if (given.hasCustom()) {
            with.custom(map(given.getCustom()));
          }
          if (given.hasSettings()) {
            with.settings(given.getSettings());
          }
          if (given.hasStartsAt()) {
            with.startsAt(instant(given.getStartsAt()));
          }
        });
  }

  private static void updateMembers(Call call, JsonElement args) {
    UpdateCallMembersRequest given =
        given(
                args,
                UpdateCallMembersRequest.newBuilder(),
                "upsert_members",
                "remove_user_ids",
                "ring",
                "video")
            .build();
    call.updateMembers(
        with ->
            with.upsert(given.getUpsertMembersList().toArray(MemberInput[]::new))
                .remove(given.getRemoveUserIdsList().toArray(String[]::new))
                .ring(given.getRing())
                .video(given.getVideo()));
  }

  /** Follows the list of calls, and returns what ends it. */
  Runnable follow(JsonElement args, Consumer<JsonElement> tell, Consumer<JsonObject> end) {
    WatchCallsRequest given =
        given(
                args,
                WatchCallsRequest.newBuilder(),
                "directions",
                "calling_states",
                "call_states",
                "types",
                "cids",
                "heartbeat_interval")
            .build();
    CompletableFuture<Void> ended =
        client
            .watchCalls(
                with -> {
                  with.directions(given.getDirectionsList().toArray(CallDirection[]::new));
                  with.callingStates(given.getCallingStatesList().toArray(CallingState[]::new));
                  with.callStates(given.getCallStatesList().toArray(CallState[]::new));
                  with.types(given.getTypesList().toArray(String[]::new));
                  with.cids(given.getCidsList().toArray(String[]::new));
                  if (given.hasHeartbeatInterval()) {
                    with.heartbeatInterval(
                        Duration.ofSeconds(given.getHeartbeatInterval().getSeconds()));
                  }
                })
            .consume(calls -> tell.accept(list(calls)));
    ended.whenComplete(
        (nothing, failed) -> {
          JsonObject fine = new JsonObject();
          fine.addProperty("code", "OK");
          end.accept(
              failed == null || failed instanceof CancellationException
                  ? fine
                  : Errors.explained(failed));
        });
    return () -> ended.cancel(false);
  }

  private JsonArray list(List<Call> calls) {
    JsonArray list = new JsonArray();
    calls.forEach(call -> shown.put(call.cid(), call));
    calls.stream().sorted(Comparator.comparing(Call::cid)).map(Sdk::told).forEach(list::add);
    return list;
  }

  /** A call as the SDK shows it. */
  private static JsonObject told(Call call) {
    JsonObject told = new JsonObject();
    told.addProperty("cid", call.cid());
    told.addProperty("uid", call.uid());
    told.addProperty("revision", call.revision());
    told.addProperty(
        "state", EnumNames.of(CallState.getDescriptor(), call.message().getStateValue()));
    told.addProperty(
        "callingState",
        EnumNames.of(CallingState.getDescriptor(), call.viewer().getCallingStateValue()));
    told.addProperty(
        "direction",
        EnumNames.of(CallDirection.getDescriptor(), call.viewer().getDirectionValue()));
    told.addProperty("createdByMe", call.createdByMe());
    told.addProperty("ringId", call.ringId());
    call.timeLeft().ifPresent(left -> told.addProperty("secondsLeft", left.toNanos() / 1e9));
    return told;
  }

  /**
   * Reads a verb's args, and refuses what the SDK has no word for, so that nothing is left out
   * silently.
   */
  private static <B extends com.google.protobuf.Message.Builder> B given(
      JsonElement args, B request, String... fields) {
    Json.read(args, request);
    only(request, fields);
    return request;
  }

  private static void only(MessageOrBuilder message, String... fields) {
    for (FieldDescriptor field : message.getAllFields().keySet()) {
      if (!Set.of(fields).contains(field.getName())) {
        throw new NoSuchElementException("the SDK has no option for " + field.getName());
      }
    }
  }

  private static Map<String, Object> map(Struct struct) {
    return new Gson().fromJson(Json.of(struct), new TypeToken<Map<String, Object>>() {}.getType());
  }

  private static Instant instant(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
  }
}
