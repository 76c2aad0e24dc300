import { timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { Runtime } from './runtime.js';

/**
 * What is known of the server's clock. Every message of a watch tells it. An answer to a request does not, but bounds
 * it: it is not earlier than the call's last change.
 */
export class ServerClock {
  readonly #runtime: Runtime;
  #ahead: number | undefined;
  #told = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** The server's time now, in milliseconds since 1970; the device's where nothing is known. */
  now(): number {
    return this.#ahead === undefined ? this.#runtime.wallClock() : this.#runtime.now() + this.#ahead;
  }

  /** Takes what the server said its clock is. */
  tell(time: Timestamp): void {
    this.#ahead = timestampMs(time) - this.#runtime.now();
    this.#told = true;
  }

  /** Takes a time that is close to the server's, until the server says better. */
  guess(time: Timestamp): void {
    if (!this.#told) {
      this.#ahead = timestampMs(time) - this.#runtime.now();
    }
  }

  /** Takes that the server's clock is not before `earliest`, and, where it is known, before `latest`. */
  bound(earliest: Timestamp, latest: Timestamp | undefined): void {
    const low = timestampMs(earliest);
    const late = !this.#told && latest !== undefined && this.now() >= timestampMs(latest);
    if (this.now() < low || late) {
      this.#ahead = low - this.#runtime.now();
    }
  }
}
