package dev.ringline;

import dev.ringline.v1.MemberInput;
import dev.ringline.v1.UpdateCallMembersRequest;
import java.util.List;
import java.util.function.Consumer;

/** Which members to add, change and remove. */
public final class MembersOptions {
  private final UpdateCallMembersRequest.Builder request;

  private MembersOptions(String type, String id) {
    request =
        UpdateCallMembersRequest.newBuilder()
            .setType(type)
            .setId(id)
            .setRequestId(RequestIds.next());
  }

  static UpdateCallMembersRequest request(String type, String id, Consumer<MembersOptions> given) {
    MembersOptions options = new MembersOptions(type, id);
    given.accept(options);
    return options.request.build();
  }

  /**
   * Adds these users.
   *
   * @param userIds the users
   * @return this
   */
  public MembersOptions upsert(String... userIds) {
    for (String userId : userIds) {
      request.addUpsertMembers(MemberInput.newBuilder().setUserId(userId));
    }
    return this;
  }

  /**
   * Adds these users, or changes them, with roles and custom data.
   *
   * @param members the users
   * @return this
   */
  public MembersOptions upsert(MemberInput... members) {
    request.addAllUpsertMembers(List.of(members));
    return this;
  }

  /**
   * Removes these users from the call.
   *
   * @param userIds the users
   * @return this
   */
  public MembersOptions remove(String... userIds) {
    request.addAllRemoveUserIds(List.of(userIds));
    return this;
  }

  /**
   * Rings those added or changed.
   *
   * @param ring whether to ring
   * @return this
   */
  public MembersOptions ring(boolean ring) {
    request.setRing(ring);
    return this;
  }

  /**
   * Says that the ring is about a video call. It decides only what clients show.
   *
   * @param video whether it is
   * @return this
   */
  public MembersOptions video(boolean video) {
    request.setVideo(video);
    return this;
  }
}
