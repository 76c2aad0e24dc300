import type { JsonObject } from '@bufbuild/protobuf';
import { timestampFromDate, timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { isReason, type Connection } from './connection.js';
import {
  CallDirection,
  CallingState,
  JoinMode,
  SkipReason,
  type Call as CallMessage,
  type CallEvent,
  type RingTarget,
  type ViewerState,
} from './gen/ringline/v1/call_pb.js';
import {
  CallService,
  type CancelCallResponse,
  type EndCallResponse,
  type GetCallResponse,
  type GetOrCreateCallResponse,
  type JoinCallResponse,
  type LeaveCallResponse,
  type RejectCallResponse,
  type RingCallResponse,
  type UpdateCallMembersResponse,
  type UpdateCallResponse,
} from './gen/ringline/v1/call_service_pb.js';
import {
  dataInput,
  memberInput,
  settingsInput,
  type AlertOptions,
  type CreateOptions,
  type MemberOptions,
  type SettingsOptions,
} from './options.js';
import { CallView } from './view.js';

/** What `getOrCreate` creates the call with, and whether to ring or to notify. */
export interface GetOrCreateOptions extends AlertOptions {
  data?: CreateOptions | undefined;
}

/** Whom to ring. */
export interface RingOptions {
  /** The members to ring. All, unless given. */
  userIds?: readonly string[] | undefined;
  /** Says that it is a video call. */
  video?: boolean | undefined;
}

/** How to join. */
export interface JoinOptions {
  /** What to do if the user is in on another device: refuse, unless given. */
  mode?: JoinMode | undefined;
  /** The ring that is meant: the one that rings, unless given. */
  ringId?: string | undefined;
}

/** How to refuse or to take back a ring. */
export interface AnswerOptions {
  /** Why: `decline` or `cancel`, unless given. */
  reason?: string | undefined;
  /** The ring that is meant: the one that rings, unless given. */
  ringId?: string | undefined;
}

/** How to leave. */
export interface LeaveOptions {
  /** Refuses the call if it rings here, or takes it back if this user's ring is unanswered. */
  reject?: boolean | undefined;
  /** Why: `decline` or `cancel` with `reject`, unless given. */
  reason?: string | undefined;
}

/** How to end a call for everyone. */
export interface EndOptions {
  reason?: string | undefined;
}

/** What to change in a call. */
export interface UpdateOptions {
  /** Replaces the call's custom data as a whole. */
  custom?: JsonObject | undefined;
  settings?: SettingsOptions | undefined;
  startsAt?: Date | string | undefined;
  /** What to change, where something is to be cleared: `custom`, `settings.ring.auto_cancel_timeout`, `starts_at`. */
  updateMask?: readonly string[] | undefined;
  /** Makes the change only if the call still has this revision. */
  expectedRevision?: number | undefined;
}

/** Whom to add, change, remove and ring. */
export interface UpdateMembersOptions {
  /** Added, or changed where something new is given. */
  upsert?: readonly MemberOptions[] | undefined;
  /** Removed, by user id. */
  remove?: readonly string[] | undefined;
  /** Rings those that are upserted. */
  ring?: boolean | undefined;
  /** Says that it is a video call. */
  video?: boolean | undefined;
}

interface Told {
  call?: CallMessage | undefined;
  viewer?: ViewerState | undefined;
  targets?: readonly RingTarget[];
}

/**
 * A call, by its type and id; whether it exists is the server's business. A client has one `Call` for each.
 *
 * Whatever acts is safe to repeat, and is repeated while the server is unavailable. Answers name the ring that is known
 * here, so that a late tap never answers or stops another one.
 */
export class Call {
  readonly type: string;
  readonly id: string;
  /** `type:id`. */
  readonly cid: string;
  /** What the server last told of the call. */
  readonly state: CallView;
  readonly #connection: Connection;
  readonly #isFollowed: () => boolean;

  /** @internal */
  constructor(type: string, id: string, connection: Connection, isFollowed: () => boolean) {
    this.type = type;
    this.id = id;
    this.cid = `${type}:${id}`;
    this.state = new CallView(connection.clock);
    this.#connection = connection;
    this.#isFollowed = isFollowed;
  }

  /** Whether this user created the call. False until the server told of it. */
  get isCreatedByMe(): boolean {
    return this.state.viewer?.createdByMe ?? false;
  }

  /** Creates the call if it is not there, and rings or notifies its members if asked to. */
  async getOrCreate(options: GetOrCreateOptions = {}): Promise<GetOrCreateCallResponse> {
    const { data, ...alert } = options;
    return this.#took(
      await this.#connection.unary(CallService.method.getOrCreateCall, {
        ...this.#act(),
        ...alertInput(alert),
        ...(data && { data: dataInput(data) }),
      }),
    );
  }

  /** Reads the call, and rings or notifies its members if asked to. */
  async get(options: AlertOptions = {}): Promise<GetCallResponse> {
    return this.#took(
      await this.#connection.unary(CallService.method.getCall, { ...this.#act(), ...alertInput(options) }),
    );
  }

  /** Rings members of a call that exists, into a running call too. */
  async ring(options: RingOptions = {}): Promise<RingCallResponse> {
    const { userIds = [], video = false } = options;
    return this.#took(
      await this.#connection.unary(CallService.method.ringCall, { ...this.#act(), userIds: [...userIds], video }),
    );
  }

  /** Answers the call if it rings here, and comes in. */
  async join(options: JoinOptions = {}): Promise<JoinCallResponse> {
    const { mode = JoinMode.UNSPECIFIED } = options;
    await this.#know(options.ringId);
    // Who is not rung may come in all the same, and means no ring.
    const rings = this.state.callingState === CallingState.RINGING;
    const ringId = options.ringId ?? (rings ? this.state.ringId : '');
    return this.#took(await this.#connection.unary(CallService.method.joinCall, { ...this.#act(), ringId, mode }));
  }

  /** Refuses the call, for all devices of the user. */
  async reject(options: AnswerOptions = {}): Promise<RejectCallResponse> {
    const { reason = '' } = options;
    await this.#know(options.ringId);
    const ringId = options.ringId ?? this.state.ringId;
    return this.#took(await this.#connection.unary(CallService.method.rejectCall, { ...this.#act(), ringId, reason }));
  }

  /** Takes back this user's rings that nobody has answered. */
  async cancel(options: AnswerOptions = {}): Promise<CancelCallResponse> {
    const { reason = '' } = options;
    await this.#know(options.ringId);
    const [ringId = this.state.ringId, ...others] =
      options.ringId === undefined ? this.state.waitingRings.map((ring) => ring.id) : [options.ringId];
    let answer = await this.#cancel(ringId, reason);
    for (const other of others) {
      answer = await this.#cancel(other, reason);
    }
    return answer;
  }

  /**
   * Leaves the call. With `reject` it does what is meant by where the user stands: it refuses a call that rings here,
   * takes back a ring that nobody has answered, and hangs up otherwise.
   */
  async leave(options: LeaveOptions = {}): Promise<LeaveCallResponse | RejectCallResponse | CancelCallResponse> {
    const { reject = false, reason = '' } = options;
    if (!reject) {
      return this.#leave(reason);
    }
    await this.#know(undefined);
    const { callingState, direction, waitingRings } = this.state;
    if (callingState === CallingState.JOINED) {
      return this.#leave(reason);
    }
    const rejects = callingState === CallingState.RINGING && direction === CallDirection.INCOMING;
    if (!rejects && waitingRings.length === 0) {
      return this.#leave(reason);
    }
    try {
      return await (rejects ? this.reject({ reason }) : this.cancel({ reason }));
    } catch (error) {
      // It was answered meanwhile, which brought this user in: now it is hanging up that is meant.
      if (isReason(error, 'ALREADY_ACCEPTED')) {
        return this.#leave(reason);
      }
      throw error;
    }
  }

  /** Ends the call for everyone, and for good. */
  async endCall(options: EndOptions = {}): Promise<EndCallResponse> {
    const { reason = '' } = options;
    return this.#took(await this.#connection.unary(CallService.method.endCall, { ...this.#act(), reason }));
  }

  /** Changes custom data, settings or the start. */
  async update(options: UpdateOptions): Promise<UpdateCallResponse> {
    const { custom, settings, startsAt, updateMask, expectedRevision = 0 } = options;
    return this.#took(
      await this.#connection.unary(CallService.method.updateCall, {
        ...this.#act(),
        ...(custom && { custom }),
        ...(settings && { settings: settingsInput(settings) }),
        ...(startsAt !== undefined && { startsAt: timestampFromDate(new Date(startsAt)) }),
        ...(updateMask && { updateMask: { paths: [...updateMask] } }),
        expectedRevision,
      }),
    );
  }

  /** Adds, changes and removes members, and rings those upserted if asked to. */
  async updateMembers(options: UpdateMembersOptions): Promise<UpdateCallMembersResponse> {
    const { upsert = [], remove = [], ring = false, video = false } = options;
    return this.#took(
      await this.#connection.unary(CallService.method.updateCallMembers, {
        ...this.#act(),
        upsertMembers: upsert.map(memberInput),
        removeUserIds: [...remove],
        ring,
        video,
      }),
    );
  }

  /** What happened to the call, oldest first, as far as it is kept. */
  async *events(): AsyncGenerator<CallEvent, void, void> {
    let pageToken = '';
    do {
      const page = await this.#connection.unary(CallService.method.listCallEvents, {
        type: this.type,
        id: this.id,
        pageSize: 100,
        pageToken,
      });
      yield* page.events;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  #act(): { type: string; id: string; requestId: string } {
    return { type: this.type, id: this.id, requestId: this.#connection.runtime.requestId() };
  }

  /**
   * Learns how the call stands, unless the ring is named, or one is known here, which is then what was seen and is
   * meant, or calls are followed, so that whatever rings is known.
   */
  async #know(ringId: string | undefined): Promise<void> {
    const rings = this.state.callingState === CallingState.RINGING;
    if (ringId === undefined && !rings && !(this.state.call && this.#isFollowed())) {
      await this.get();
    }
  }

  async #leave(reason: string): Promise<LeaveCallResponse> {
    return this.#took(await this.#connection.unary(CallService.method.leaveCall, { ...this.#act(), reason }));
  }

  async #cancel(ringId: string, reason: string): Promise<CancelCallResponse> {
    return this.#took(await this.#connection.unary(CallService.method.cancelCall, { ...this.#act(), ringId, reason }));
  }

  #took<T extends Told>(answer: T): T {
    const { call, viewer, targets = [] } = answer;
    if (call) {
      const { updatedAt } = call;
      if (updatedAt && targets.some((target) => beganAt(target, updatedAt))) {
        // With the call's last change, so that was just now.
        this.#connection.clock.guess(updatedAt);
      }
      this.state.take(call, viewer);
    }
    return answer;
  }
}

/** Whether it began to ring at that time with this request. Who was skipped may have rung for long. */
function beganAt({ rungAt, skipReason }: RingTarget, time: Timestamp): boolean {
  return skipReason === SkipReason.UNSPECIFIED && rungAt !== undefined && timestampMs(rungAt) === timestampMs(time);
}

function alertInput({ ring = false, notify = false, video = false }: AlertOptions) {
  return { ring, notify, video };
}
