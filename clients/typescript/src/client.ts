import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { defaultTransport } from '#default-transport';
import { Call } from './call.js';
import { Connection } from './connection.js';
import { follow, type Followed, type WatchFilter } from './follow.js';
import { CallDirection, CallingState, CallState } from './gen/ringline/v1/call_pb.js';
import { CallOrder, CallService } from './gen/ringline/v1/call_service_pb.js';
import { systemRuntime, type Runtime } from './runtime.js';
import { ClientState } from './state.js';
import type { RinglineTransport } from './transport/transport.js';
import { CallWatch } from './watch.js';

/** Where the server is, and who one is. */
export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:50051`. Not needed with a `transport`. */
  baseUrl?: string | undefined;
  /** The user, on a server in development mode; or whom a service acts as. Any letters. */
  user?: string | undefined;
  /** A name for this installation. It tells "answered here" from "answered elsewhere", and puts the right one in. */
  device?: string | undefined;
  /** The token, or where to get the present one: it is asked for before each request and when a stream's expires. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** What else to send with each request, such as `x-teams` in development mode. */
  metadata?: Readonly<Record<string, string>> | undefined;
  /** What carries the RPCs: gRPC in Node unless given. In a browser give one of `@connectrpc/connect-web`. */
  transport?: RinglineTransport | undefined;
  /** How long a request may take in all, with what is repeated. 10 s unless given. */
  timeoutMs?: number | undefined;
  /** How often an idle stream gives a sign of life: 5 s to 60 s, 15 s unless given. */
  heartbeatIntervalMs?: number | undefined;
  /** Time and chance, for tests. */
  runtime?: Runtime | undefined;
}

/** Which calls to list, and in which order. Different fields all must match; the values of one are alternatives. */
export interface ListOptions {
  directions?: readonly CallDirection[] | undefined;
  callingStates?: readonly CallingState[] | undefined;
  callStates?: readonly CallState[] | undefined;
  types?: readonly string[] | undefined;
  /** Only calls that this user missed last. */
  missed?: boolean | undefined;
  memberUserId?: string | undefined;
  createdAfter?: Date | undefined;
  createdBefore?: Date | undefined;
  /** Newest call first, unless given. */
  order?: CallOrder | undefined;
}

/**
 * A user on a device: rings others, and is rung.
 *
 *     const client = new RinglineClient({ baseUrl: 'http://127.0.0.1:50051', user: 'my friend', device: 'phone' });
 *     client.state.calls$.subscribe((calls) => { … });
 *     await client.call('default', 'test-outgoing-call').join();
 */
export class RinglineClient {
  /** The calls that ring or that this user is in, live. */
  readonly state: ClientState;
  readonly #connection: Connection;
  readonly #heartbeatMs: number;
  readonly #calls = new Map<string, WeakRef<Call>>();
  readonly #gone = new FinalizationRegistry<string>((cid) => {
    if (this.#calls.get(cid)?.deref() === undefined) {
      this.#calls.delete(cid);
    }
  });
  readonly #running = new Set<Promise<void>>();
  // How many of those are told of whatever rings.
  #broad = 0;

  constructor(options: ClientOptions) {
    const { baseUrl = '', user, device, token, metadata = {}, transport, runtime = systemRuntime } = options;
    const { timeoutMs = 10_000, heartbeatIntervalMs = 15_000 } = options;
    if (transport === undefined && baseUrl === '') {
      throw new TypeError('Say where the server is: give a baseUrl, or a transport.');
    }
    this.#connection = new Connection(
      transport ?? defaultTransport(baseUrl),
      { user, device, token, metadata },
      timeoutMs,
      runtime,
    );
    this.#heartbeatMs = heartbeatIntervalMs;
    const filter = { callingStates: [CallingState.RINGING, CallingState.JOINED] };
    this.state = new ClientState((emit, signal) => this.#follow(filter, emit, signal));
  }

  /** The call of this name, whether it exists or not; the same object as long as somebody holds it. */
  call(type: string, id: string): Call {
    const cid = `${type}:${id}`;
    const known = this.#calls.get(cid)?.deref();
    if (known !== undefined) {
      return known;
    }
    const call = new Call(type, id, this.#connection, () => this.#broad > 0);
    this.#calls.set(cid, new WeakRef(call));
    this.#gone.register(call, cid);
    return call;
  }

  /**
   * The calls that match, live: those that ring, unless the filter says otherwise. First the present list, then a new
   * one at each change, for ever.
   *
   *     for await (const calls of client.watchCalls()) { … }
   */
  watchCalls(filter: WatchFilter = {}): CallWatch {
    return new CallWatch((emit, signal) =>
      this.#follow(
        filter,
        (followed) => {
          if (followed.kind === 'list') {
            emit(followed.calls);
          }
        },
        signal,
      ),
    );
  }

  /** The calls that this user is a member of, rings or is in, ended ones too: page by page, as they are asked for. */
  async *listCalls(options: ListOptions = {}): AsyncGenerator<Call, void, void> {
    const { directions = [], callingStates = [], callStates = [], types = [], missed = false } = options;
    const { memberUserId = '', createdAfter, createdBefore, order = CallOrder.UNSPECIFIED } = options;
    let pageToken = '';
    do {
      const page = await this.#connection.unary(CallService.method.listCalls, {
        directions: [...directions],
        callingStates: [...callingStates],
        callStates: [...callStates],
        types: [...types],
        missed,
        memberUserId,
        ...(createdAfter && { createdAfter: timestampFromDate(createdAfter) }),
        ...(createdBefore && { createdBefore: timestampFromDate(createdBefore) }),
        order,
        pageSize: 100,
        pageToken,
      });
      for (const { call: message, viewer } of page.items) {
        if (message) {
          const call = this.call(message.type, message.id);
          call.state.take(message, viewer);
          yield call;
        }
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /** Ends what is under way, completes what is followed, and closes the connection. */
  async close(): Promise<void> {
    this.#connection.close();
    await Promise.allSettled(this.#running);
  }

  #follow(filter: WatchFilter, emit: (followed: Followed) => void, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const signals = [signal, this.#connection.closing];
    const abort = (): void => {
      stop.abort();
    };
    for (const each of signals) {
      each.addEventListener('abort', abort);
    }
    if (signals.some((each) => each.aborted)) {
      abort();
    }
    const calls = { call: this.call.bind(this), forget: this.#forget.bind(this) };
    const { heartbeatIntervalMs: heartbeatMs = this.#heartbeatMs } = filter;
    const broad = tellsWhatRings(filter) ? 1 : 0;
    this.#broad += broad;
    const running = follow(this.#connection, calls, filter, heartbeatMs, emit, stop.signal).finally(() => {
      this.#running.delete(running);
      this.#broad -= broad;
      for (const each of signals) {
        each.removeEventListener('abort', abort);
      }
    });
    this.#running.add(running);
    return running;
  }

  #forget(): void {
    for (const call of this.#calls.values()) {
      call.deref()?.state.forget();
    }
  }
}

function tellsWhatRings({ directions, callingStates, types, cids }: WatchFilter): boolean {
  const narrow = [directions, types, cids].some((values) => values !== undefined && values.length > 0);
  const states = callingStates ?? [];
  return !narrow && (states.length === 0 || states.includes(CallingState.RINGING));
}
