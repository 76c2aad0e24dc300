import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs, timestampDate } from '@bufbuild/protobuf/wkt';
import { delay, type Backoff } from './backoff.js';
import type { Call } from './call.js';
import type { Connection } from './connection.js';
import { errorOf, RinglineError, type ErrorCode } from './errors.js';
import {
  CallEventType,
  StopReason,
  type Call as CallMessage,
  type CallDirection,
  type CallingState,
  type CallState,
} from './gen/ringline/v1/call_pb.js';
import {
  CallService,
  ChangeKind,
  WatchCallsRequestSchema,
  type CallChange as ChangeMessage,
  type WatchCallsRequest,
  type WatchCallsResponse,
} from './gen/ringline/v1/call_service_pb.js';
import { sleep } from './runtime.js';

/** Which calls to follow. Different fields all must match; the values of one are alternatives. */
export interface WatchFilter {
  directions?: readonly CallDirection[] | undefined;
  /** RINGING, unless given, or unless `cids` are. */
  callingStates?: readonly CallingState[] | undefined;
  /** Only for services that name no user. */
  callStates?: readonly CallState[] | undefined;
  /** Call types. */
  types?: readonly string[] | undefined;
  /** These calls and no others, as `type:id`. */
  cids?: readonly string[] | undefined;
  /** How often the stream gives a sign of life: as the client's, unless given. */
  heartbeatIntervalMs?: number | undefined;
}

/** One change, as it was told. A REMOVED call that was never listed is a notice: of a call missed while away. */
export interface CallChange {
  kind: ChangeKind;
  /** What led here. */
  cause: CallEventType;
  /** On REMOVED: what became of it for this user. */
  stopReason: StopReason;
  /** Who did it. Empty if the server did. */
  actorUserId: string;
  /** The free text of the cause. */
  reason: string;
  call: Call;
}

/** Somebody told this user of a call, without ringing. */
export interface CallNotification {
  call: Call;
  /** Who notified. */
  actorUserId: string;
  video: boolean;
  time: Date | undefined;
}

/** What following calls brings. */
export type Followed =
  | { readonly kind: 'list'; readonly calls: Call[] }
  | { readonly kind: 'change'; readonly change: CallChange }
  | { readonly kind: 'notification'; readonly notification: CallNotification };

/** The client's calls, as far as somebody holds them. */
export interface Calls {
  /** The one `Call` of this name. */
  call(type: string, id: string): Call;
  /** Lets whatever comes next replace what is known. */
  forget(): void;
}

/** A stream that is silent for so many heartbeats is dead. */
const SILENT_HEARTBEATS = 2.5;

/** With a dead stream a connection that was silent for so long is dead, too. */
const SUSPECT_MS = 5_000;

const BACKOFF: Backoff = { first: 250, most: 5_000 };

/** A stream that lived so long shows that it was no use to wait longer before it. */
const STEADY_MS = 1_000;

/** What no new stream can heal. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'INVALID_ARGUMENT',
  'UNIMPLEMENTED',
]);

/** Where the following of calls stands, between streams. */
interface Place {
  token: string;
  /** What matches, by cid. Undefined until the server told all of it once. */
  listed: Map<string, Call> | undefined;
}

/**
 * Follows the calls that match, for ever: over lost connections, restarts of the server and expired tokens. Returns
 * when the signal is aborted, throws what cannot heal.
 */
export async function follow(
  connection: Connection,
  calls: Calls,
  filter: WatchFilter,
  heartbeatMs: number,
  emit: (followed: Followed) => void,
  signal: AbortSignal,
): Promise<void> {
  const { runtime } = connection;
  const request = requestOf(filter, heartbeatMs);
  // What cannot be encoded is the caller's mistake, and must not look like a broken connection.
  toBinary(WatchCallsRequestSchema, request);
  const place: Place = { token: '', listed: undefined };
  let failures = 0;
  let renewals = 0;
  while (!signal.aborted) {
    const stream = new Stream(calls, place, emit);
    const begun = runtime.now();
    const error = await read(connection, stream, request, heartbeatMs, signal);
    if (stream.complete) {
      renewals = 0;
      failures = runtime.now() - begun >= STEADY_MS ? 0 : failures;
    }
    const renews = error?.reason === 'TOKEN_EXPIRED' && connection.renewsTokens && renewals++ === 0;
    const final = error !== undefined && (FINAL.has(error.code) || error.reason === 'WATCH_REPLACED');
    if (final && !renews) {
      throw error;
    }
    failures++;
    await sleep(runtime, delay(BACKOFF, failures, error?.retryAfterMs, runtime), signal);
  }
}

/** Reads one stream to its end. Returns the error it ended with, if it did. */
async function read(
  connection: Connection,
  stream: Stream,
  request: WatchCallsRequest,
  heartbeatMs: number,
  signal: AbortSignal,
): Promise<RinglineError | undefined> {
  const { runtime, clock } = connection;
  const attempt = new AbortController();
  const abort = (): void => {
    attempt.abort();
  };
  signal.addEventListener('abort', abort);
  const watch = (): (() => void) =>
    runtime.after(SILENT_HEARTBEATS * heartbeatMs, () => {
      connection.reconnect(SUSPECT_MS);
      attempt.abort();
    });
  let unwatch = watch();
  try {
    const resuming = { ...request, resumeToken: stream.token };
    for await (const message of connection.stream(CallService.method.watchCalls, resuming, attempt.signal)) {
      if (signal.aborted) {
        return undefined;
      }
      unwatch();
      unwatch = watch();
      if (message.serverTime) {
        clock.tell(message.serverTime);
      }
      stream.take(message);
    }
    return undefined;
  } catch (error) {
    return errorOf(error);
  } finally {
    unwatch();
    signal.removeEventListener('abort', abort);
    attempt.abort();
  }
}

function requestOf(filter: WatchFilter, heartbeatMs: number): WatchCallsRequest {
  const { directions = [], callingStates = [], callStates = [], types = [], cids = [] } = filter;
  return create(WatchCallsRequestSchema, {
    directions: [...directions],
    callingStates: [...callingStates],
    callStates: [...callStates],
    types: [...types],
    cids: [...cids],
    heartbeatInterval: durationFromMs(heartbeatMs),
  });
}

/** What one stream tells, put together with what the ones before it told. */
class Stream {
  /** Whether it told all that there was to tell at its beginning. */
  complete = false;
  readonly #calls: Calls;
  readonly #place: Place;
  readonly #emit: (followed: Followed) => void;
  // What it tells before that: a call to list, or undefined for one to take away. Put into place all at once.
  #staged = new Map<string, Call | undefined>();

  constructor(calls: Calls, place: Place, emit: (followed: Followed) => void) {
    this.#calls = calls;
    this.#place = place;
    this.#emit = emit;
  }

  get token(): string {
    return this.#place.token;
  }

  take(message: WatchCallsResponse): void {
    const { event, resumeToken } = message;
    switch (event.case) {
      case 'change':
        this.#change(event.value);
        break;
      case 'notification':
        this.#notification(event.value.call, event.value.viewer, (call) => ({
          call,
          actorUserId: event.value.actorUserId,
          video: event.value.video,
          time: event.value.time && timestampDate(event.value.time),
        }));
        break;
      case 'snapshotComplete':
        this.#completed(event.value.resumed);
        break;
      case 'reset':
        this.#place.token = '';
        this.#staged.clear();
        this.#calls.forget();
        break;
      default: // a heartbeat, a stop that is announced, or something newer: only its token and its time count
    }
    if (resumeToken !== '') {
      this.#place.token = resumeToken;
    }
  }

  #change(message: ChangeMessage): void {
    if (!message.call) {
      return;
    }
    const { kind, cause, stopReason, actorUserId, reason } = message;
    const call = this.#calls.call(message.call.type, message.call.id);
    const removed = kind === ChangeKind.REMOVED;
    const fresh = call.state.take(message.call, message.viewer, stopReason);
    // What is older than an answer to a request is over already: its own news is still to come.
    if (fresh || removed) {
      this.#put(call, removed ? undefined : call);
      this.#emit({ kind: 'change', change: { kind, cause, stopReason, actorUserId, reason, call } });
    }
  }

  #put(call: Call, listed: Call | undefined): void {
    const { listed: list } = this.#place;
    if (!this.complete || list === undefined) {
      this.#staged.delete(call.cid);
      this.#staged.set(call.cid, listed);
    } else if (listed !== undefined) {
      list.set(call.cid, listed);
      this.#told(list);
    } else if (list.delete(call.cid)) {
      this.#told(list);
    }
  }

  #completed(resumed: boolean): void {
    const before = this.#place.listed;
    const list = new Map(resumed ? before : undefined);
    // A snapshot comes newest first; what comes later is put at the end.
    const staged = resumed ? [...this.#staged] : [...this.#staged].reverse();
    for (const [cid, call] of staged) {
      if (call === undefined) {
        list.delete(cid);
      } else {
        list.set(cid, call);
      }
    }
    this.complete = true;
    this.#place.listed = list;
    if (before === undefined || !resumed || staged.length > 0) {
      this.#told(list);
    }
    this.#staged.clear();
  }

  #notification(
    message: CallMessage | undefined,
    viewer: Parameters<Call['state']['take']>[1],
    notificationOf: (call: Call) => CallNotification,
  ): void {
    if (message) {
      const call = this.#calls.call(message.type, message.id);
      call.state.take(message, viewer, call.state.stopReason);
      this.#emit({ kind: 'notification', notification: notificationOf(call) });
    }
  }

  #told(list: ReadonlyMap<string, Call>): void {
    this.#emit({ kind: 'list', calls: [...list.values()] });
  }
}
