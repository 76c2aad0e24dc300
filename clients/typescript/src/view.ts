import type { JsonObject } from '@bufbuild/protobuf';
import { timestampDate, timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { ServerClock } from './clock.js';
import {
  CallDirection,
  CallingState,
  CallState,
  EndReason,
  RingState,
  StopReason,
  type Call as CallMessage,
  type Capability,
  type Member,
  type Participant,
  type Ring,
  type ViewerState,
} from './gen/ringline/v1/call_pb.js';

/**
 * What the server last told of a call, and what it means to this user. Nothing of it is worked out here, and nothing
 * changes by itself: it is told, whole, by the answers to requests and by whatever follows calls.
 */
export class CallView {
  readonly #clock: ServerClock;
  #call: CallMessage | undefined;
  #viewer: ViewerState | undefined;
  #stopReason = StopReason.UNSPECIFIED;
  #outdated = false;

  /** @internal */
  constructor(clock: ServerClock) {
    this.#clock = clock;
  }

  /** The call as the contract has it. Undefined until the server told of it. */
  get call(): CallMessage | undefined {
    return this.#call;
  }

  /** What the call is to this user, as the contract has it. Undefined for a service that names no user, too. */
  get viewer(): ViewerState | undefined {
    return this.#viewer;
  }

  /** Whether this user is in, rings, has left, or none of it. UNSPECIFIED until the server told of the call. */
  get callingState(): CallingState {
    return this.#viewer?.callingState ?? CallingState.UNSPECIFIED;
  }

  /** Whether this user is called or calls, by the ring that counts now: also when others ring into their call. */
  get direction(): CallDirection {
    return this.#viewer?.direction ?? CallDirection.UNSPECIFIED;
  }

  /** Whether anybody is in or rings. */
  get callState(): CallState {
    return this.#call?.state ?? CallState.UNSPECIFIED;
  }

  /** Why the session is over. */
  get endReason(): EndReason {
    return this.#call?.endReason ?? EndReason.UNSPECIFIED;
  }

  /** Why it stopped ringing here, when it was followed: answered, declined or cancelled, here or elsewhere, or missed. */
  get stopReason(): StopReason {
    return this.#stopReason;
  }

  /** Counts the changes of the call. 0 until the server told of it. */
  get revision(): number {
    return this.#call?.revision ?? 0;
  }

  /** The ring that counts for this user. Empty if there is none. */
  get ringId(): string {
    return this.#viewer?.ringId ?? '';
  }

  /** Who started that ring: the caller to show. */
  get ringerId(): string {
    return this.#viewer?.ringerId ?? '';
  }

  /**
   * Whole seconds until it stops ringing by itself, by the server's clock. Undefined when nothing rings, and while that
   * clock is not known: following any calls tells it.
   */
  get secondsLeft(): number | undefined {
    const expires = this.#viewer?.ringExpiresAt;
    const left = expires && this.#clock.until(expires);
    return left === undefined ? undefined : Math.max(0, Math.round(left / 1000));
  }

  /** What this user may do with the call. */
  get capabilities(): readonly Capability[] {
    return this.#viewer?.capabilities ?? [];
  }

  get members(): readonly Member[] {
    return this.#call?.members ?? [];
  }

  get participants(): readonly Participant[] {
    return this.#call?.participants ?? [];
  }

  /** The open rings of the session, and the one that closed last. */
  get rings(): readonly Ring[] {
    return this.#call?.rings ?? [];
  }

  get custom(): JsonObject {
    return this.#call?.custom ?? {};
  }

  get createdById(): string {
    return this.#call?.createdById ?? '';
  }

  get createdAt(): Date | undefined {
    return date(this.#call?.createdAt);
  }

  get startsAt(): Date | undefined {
    return date(this.#call?.startsAt);
  }

  /** When the first participant of the session came in. */
  get startedAt(): Date | undefined {
    return date(this.#call?.startedAt);
  }

  get endedAt(): Date | undefined {
    return date(this.#call?.endedAt);
  }

  /**
   * This user's own rings that nobody has answered.
   *
   * @internal
   */
  get waitingRings(): readonly Ring[] {
    return this.rings.filter((ring) => ring.state === RingState.RINGING && ring.ringerId === this.#viewer?.userId);
  }

  /**
   * Takes what the server told, and says whether it is news or at least the same: what is older than what is known of
   * the same call is dropped.
   *
   * @internal
   */
  take(call: CallMessage, viewer: ViewerState | undefined, stopReason = StopReason.UNSPECIFIED): boolean {
    if (this.#call !== undefined && !this.#outdated && isOlder(call, this.#call)) {
      return false;
    }
    this.#outdated = false;
    this.#call = call;
    this.#viewer = viewer;
    this.#stopReason = stopReason;
    if (call.updatedAt) {
      this.#clock.isPast(call.updatedAt);
    }
    return true;
  }

  /**
   * Lets whatever comes next replace what is known.
   *
   * @internal
   */
  forget(): void {
    this.#outdated = true;
  }
}

function isOlder(told: CallMessage, known: CallMessage): boolean {
  if (told.uid === known.uid) {
    return told.revision < known.revision;
  }
  // Another call under the same name. One that tells no more than its name was lost, and says nothing of this one.
  return (
    known.createdAt !== undefined && (told.createdAt ? timestampMs(told.createdAt) : 0) < timestampMs(known.createdAt)
  );
}

function date(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp && timestampDate(timestamp);
}
