import type { Call } from './call.js';

type Next = IteratorResult<Call[], undefined>;

const END: Next = { done: true, value: undefined };

/**
 * The present list of calls, and a new one at each change, for `for await`. One who is slow gets the latest list and
 * not those before it. It starts with the first `next`, and ends when the loop is left, `return` is called or the
 * client is closed; it throws what cannot heal.
 */
export class CallWatch implements AsyncIterableIterator<Call[], undefined> {
  readonly #start: (emit: (calls: Call[]) => void, signal: AbortSignal) => Promise<void>;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #latest: Call[] | undefined;
  #failure: { readonly error: unknown } | undefined;
  #done = false;
  #wake: (() => void) | undefined;

  /** @internal */
  constructor(start: (emit: (calls: Call[]) => void, signal: AbortSignal) => Promise<void>) {
    this.#start = start;
  }

  async next(): Promise<Next> {
    this.#running ??= this.#run();
    for (;;) {
      if (this.#latest !== undefined) {
        const value = this.#latest;
        this.#latest = undefined;
        return { done: false, value };
      }
      if (this.#failure !== undefined) {
        const { error } = this.#failure;
        this.#failure = undefined;
        throw error;
      }
      if (this.#done) {
        return END;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<Next> {
    this.#stop.abort();
    this.#done = true;
    this.#latest = undefined;
    this.#wake?.();
    await this.#running;
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #run(): Promise<void> {
    try {
      await this.#start((calls) => {
        this.#latest = calls;
        this.#wake?.();
      }, this.#stop.signal);
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#done = true;
      this.#wake?.();
    }
  }
}
