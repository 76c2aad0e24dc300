import { setImmediate } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from '@connectrpc/connect';
import { RinglineClient, type ClientOptions, type Runtime } from 'ringline';
import {
  CallSchema,
  CallService,
  ErrorInfoSchema,
  RetryInfoSchema,
  ViewerStateSchema,
  WatchCallsResponseSchema,
  type WatchCallsRequest,
  type WatchCallsResponse,
} from 'ringline/v1';

/** Time that moves when a test says so, and chance that always says one half. */
export class TestRuntime implements Runtime {
  /** How long each wait was asked to be. */
  readonly waits: number[] = [];
  #now = 1_000;
  #requests = 0;
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.waits.push(milliseconds);
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  random(): number {
    return 0.5;
  }

  requestId(): string {
    this.#requests += 1;
    return `request-${String(this.#requests)}`;
  }

  /** Lets so many milliseconds pass, and whatever happens meanwhile happen. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) {
        break;
      }
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = next.at;
      next.callback();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets everything happen that needs no time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await setImmediate();
  }
}

/** A stream as the server sees it: what was asked, and what to answer. */
export class TestStream implements AsyncIterable<WatchCallsResponse> {
  readonly #messages: WatchCallsResponse[] = [];
  #end: { readonly error: ConnectError | undefined } | undefined;
  #wake: () => void = () => undefined;

  constructor(
    readonly request: WatchCallsRequest,
    readonly headers: Headers,
    readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', () => {
      this.#wake();
    });
  }

  async send(...messages: MessageInitShape<typeof WatchCallsResponseSchema>[]): Promise<void> {
    this.#messages.push(...messages.map((message) => create(WatchCallsResponseSchema, message)));
    this.#wake();
    await settle();
  }

  async end(error?: ConnectError): Promise<void> {
    this.#end = { error };
    this.#wake();
    await settle();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchCallsResponse, void, void> {
    while (!this.signal.aborted) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        yield message;
      } else if (this.#end !== undefined) {
        if (this.#end.error !== undefined) {
          throw this.#end.error;
        }
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** A client of a server that does what the test says. */
export class Phone {
  readonly runtime = new TestRuntime();
  readonly streams: TestStream[] = [];
  readonly client: RinglineClient;
  reconnects = 0;

  constructor(service: Partial<ServiceImpl<typeof CallService>> = {}, options: Partial<ClientOptions> = {}) {
    const transport = createRouterTransport(({ service: serve }) => {
      serve(CallService, {
        ...service,
        watchCalls: (request, { requestHeader, signal }) => {
          const stream = new TestStream(request, requestHeader, signal);
          this.streams.push(stream);
          return stream;
        },
      });
    });
    const reconnect = (): void => {
      this.reconnects += 1;
    };
    this.client = new RinglineClient({
      user: 'bob',
      transport: { ...transport, reconnect },
      runtime: this.runtime,
      ...options,
    });
  }

  /** The stream that was opened last. */
  get stream(): TestStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) {
      throw new Error('No stream was opened.');
    }
    return stream;
  }
}

/** An error as the server answers it. */
export function refusal(code: Code, reason: string, retryAfterMs?: number): ConnectError {
  const retry = { desc: RetryInfoSchema, value: { retryDelay: durationFromMs(retryAfterMs ?? 0) } };
  return new ConnectError('No.', code, undefined, [
    { desc: ErrorInfoSchema, value: { domain: 'ringline', reason, metadata: { state: 'ACTIVE' } } },
    ...(retryAfterMs === undefined ? [] : [retry]),
  ]);
}

type CallInit = MessageInitShape<typeof CallSchema>;

/** A call that rings bob. */
export function ringing(id: string, revision: number, uid = 'uid') {
  const at = timestampFromMs(1_000_000);
  return { type: 'default', id, cid: `default:${id}`, uid, revision, createdAt: at, updatedAt: at } satisfies CallInit;
}

export const RINGS = {
  userId: 'bob',
  direction: 1,
  callingState: 2,
  ringId: 'ring-1',
  ringExpiresAt: timestampFromMs(1_030_000),
} satisfies MessageInitShape<typeof ViewerStateSchema>;
