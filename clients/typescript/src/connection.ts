import {
  create,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { encodeBinaryHeader } from '@connectrpc/connect';
import { delay, type Backoff } from './backoff.js';
import { ServerClock } from './clock.js';
import { closedError, errorOf, RinglineError } from './errors.js';
import { sleep, type Runtime } from './runtime.js';
import type { RinglineTransport } from './transport/transport.js';

type Token = string | (() => string | Promise<string>);

/** Who one is, as the client sends it with every RPC. */
export interface Identity {
  readonly user: string | undefined;
  readonly device: string | undefined;
  readonly token: Token | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

const BACKOFF: Backoff = { first: 100, most: 2_000 };

// An answer takes milliseconds. If none came for so long, the connection may be dead, and repeating is safe.
const ATTEMPT_MS = 5_000;

/** RPCs with an identity and, where they are safe to repeat, with patience. */
export class Connection {
  readonly runtime: Runtime;
  readonly clock: ServerClock;
  readonly #transport: RinglineTransport;
  readonly #who: Headers;
  readonly #token: Token | undefined;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  #aliveAt = Number.NEGATIVE_INFINITY;

  constructor(transport: RinglineTransport, identity: Identity, timeoutMs: number, runtime: Runtime) {
    this.runtime = runtime;
    this.clock = new ServerClock(runtime);
    this.#transport = transport;
    this.#who = new Headers(identity.metadata);
    setText(this.#who, 'x-user-id', identity.user);
    setText(this.#who, 'x-device-id', identity.device);
    this.#token = identity.token;
    this.#timeoutMs = timeoutMs;
  }

  /** Aborted when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Whether a token that has expired can be replaced. */
  get renewsTokens(): boolean {
    return typeof this.#token === 'function';
  }

  /**
   * Does a unary RPC, again and again while the server is unavailable, until the time is up. The request is the same
   * each time: its `request_id` makes that safe.
   */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    const request = create(method.input, init);
    // What cannot be encoded is the caller's mistake, and must not look like a broken connection.
    toBinary(method.input, request);
    const deadline = this.runtime.now() + this.#timeoutMs;
    for (let failures = 1; ; failures++) {
      this.#assertOpen();
      let timeoutMs = ATTEMPT_MS;
      try {
        const headers = await this.#headers();
        timeoutMs = Math.max(1, Math.min(ATTEMPT_MS, Math.ceil(deadline - this.runtime.now())));
        const answer = await this.#transport.unary<I, O>(method, this.closing, timeoutMs, headers, request);
        this.#aliveAt = this.runtime.now();
        return answer.message;
      } catch (failure) {
        this.#assertOpen();
        const error = errorOf(failure);
        if (error.reason !== '') {
          this.#aliveAt = this.runtime.now();
        } else if (error.code === 'DEADLINE_EXCEEDED') {
          this.reconnect(timeoutMs);
        }
        const wait = delay(BACKOFF, failures, error.retryAfterMs, this.runtime);
        const again = error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED';
        if (!again || this.runtime.now() + wait >= deadline) {
          throw error;
        }
        await sleep(this.runtime, wait, this.closing);
      }
    }
  }

  /** Does a streaming RPC, once and without a deadline. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<O>, void, void> {
    const headers = await this.#headers();
    const requests = (async function* () {
      yield await Promise.resolve(init);
    })();
    try {
      const answer = await this.#transport.stream<I, O>(method, signal, undefined, headers, requests);
      for await (const message of answer.message) {
        this.#aliveAt = this.runtime.now();
        yield message;
      }
    } catch (failure) {
      throw errorOf(failure);
    }
  }

  /** Opens a new connection for what comes, if the present one gave no sign of life for so long. */
  reconnect(silentMs: number): void {
    if (this.runtime.now() - this.#aliveAt >= silentMs && !this.closing.aborted) {
      // Others who lost the old one must not take the new one away.
      this.#aliveAt = this.runtime.now();
      this.#transport.reconnect?.();
    }
  }

  /** Ends whatever is under way. */
  close(): void {
    this.#closing.abort();
    this.#transport.close?.();
  }

  #assertOpen(): void {
    if (this.closing.aborted) {
      throw closedError();
    }
  }

  /** Who one is, with the present token. */
  async #headers(): Promise<Headers> {
    const headers = new Headers(this.#who);
    if (this.#token !== undefined) {
      headers.set('authorization', `Bearer ${await presentOf(this.#token)}`);
    }
    return headers;
  }
}

async function presentOf(token: Token): Promise<string> {
  try {
    return typeof token === 'string' ? token : await token();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RinglineError(`There is no token: ${why}`, { code: 'UNAVAILABLE', cause });
  }
}

function setText(headers: Headers, key: string, value: string | undefined): void {
  if (value === undefined) {
    return;
  }
  // Outer blanks do not survive in a header of text, and other letters than ASCII cannot be in one.
  if (/^[!-~]([ -~]*[!-~])?$/.test(value)) {
    headers.set(key, value);
  } else {
    headers.set(`${key}-bin`, encodeBinaryHeader(new TextEncoder().encode(value)));
  }
}

/** Whether the RPC was refused for this reason. */
export function isReason(error: unknown, reason: string): error is RinglineError {
  return error instanceof RinglineError && error.reason === reason;
}
