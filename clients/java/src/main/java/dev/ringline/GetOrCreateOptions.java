package dev.ringline;

import com.google.protobuf.Timestamp;
import dev.ringline.v1.CallSettings;
import dev.ringline.v1.GetOrCreateCallRequest;
import dev.ringline.v1.MemberInput;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What to create a call with. On a call that exists, the members are those to ring, and the rest of
 * the data changes nothing.
 */
public final class GetOrCreateOptions {
  private final GetOrCreateCallRequest.Builder request;

  private GetOrCreateOptions(String type, String id) {
    request =
        GetOrCreateCallRequest.newBuilder().setType(type).setId(id).setRequestId(RequestIds.next());
  }

  static GetOrCreateCallRequest request(
      String type, String id, Consumer<GetOrCreateOptions> given) {
    GetOrCreateOptions options = new GetOrCreateOptions(type, id);
    given.accept(options);
    return options.request.build();
  }

  /**
   * Rings the members, in the same step. Then the user must be among them.
   *
   * @param ring whether to ring
   * @return this
   */
  public GetOrCreateOptions ring(boolean ring) {
    request.setRing(ring);
    return this;
  }

  /**
   * Tells every other member, without ringing.
   *
   * @param notify whether to notify
   * @return this
   */
  public GetOrCreateOptions notify(boolean notify) {
    request.setNotify(notify);
    return this;
  }

  /**
   * Says that the ring or the notification is about a video call. It decides only what clients
   * show.
   *
   * @param video whether it is
   * @return this
   */
  public GetOrCreateOptions video(boolean video) {
    request.setVideo(video);
    return this;
  }

  /**
   * Lists these users on the call.
   *
   * @param userIds the users
   * @return this
   */
  public GetOrCreateOptions members(String... userIds) {
    for (String userId : userIds) {
      request.getDataBuilder().addMembers(MemberInput.newBuilder().setUserId(userId));
    }
    return this;
  }

  /**
   * Lists these users on the call, with roles and custom data.
   *
   * @param members the users
   * @return this
   */
  public GetOrCreateOptions members(MemberInput... members) {
    request.getDataBuilder().addAllMembers(List.of(members));
    return this;
  }

  /**
   * Gives the application's own data, of what JSON can say.
   *
   * @param custom the data
   * @return this
   */
  public GetOrCreateOptions custom(Map<String, ?> custom) {
    request.getDataBuilder().setCustom(Structs.of(custom));
    return this;
  }

  /**
   * Overrides the settings of the call's type, field by field.
   *
   * @param settings the settings
   * @return this
   */
  public GetOrCreateOptions settings(CallSettings settings) {
    request.getDataBuilder().setSettings(settings);
    return this;
  }

  /**
   * Says when the call is meant to start. It delays nothing.
   *
   * @param time the time
   * @return this
   */
  public GetOrCreateOptions startsAt(Instant time) {
    request
        .getDataBuilder()
        .setStartsAt(
            Timestamp.newBuilder().setSeconds(time.getEpochSecond()).setNanos(time.getNano()));
    return this;
  }

  /**
   * Says which tenant the call belongs to.
   *
   * @param team the team
   * @return this
   */
  public GetOrCreateOptions team(String team) {
    request.getDataBuilder().setTeam(team);
    return this;
  }
}
