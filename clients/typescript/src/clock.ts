import { timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { Runtime } from './runtime.js';

/**
 * What the server's clock says now, from what it said last and the time since. Every message of a watch tells it, an
 * answer to a request does not. The device's time of day is never asked.
 */
export class ServerClock {
  readonly #runtime: Runtime;
  #ahead: number | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Takes what the server said its clock is. */
  tell(now: Timestamp): void {
    this.#ahead = timestampMs(now) - this.#runtime.now();
  }

  /** Takes what the server's clock probably says now, if nothing better is known. */
  guess(now: Timestamp): void {
    if (this.#ahead === undefined) {
      this.tell(now);
    }
  }

  /** Takes that the server spoke of this time as past. Alone it does not tell how long ago that was. */
  isPast(then: Timestamp): void {
    const left = this.until(then);
    if (left !== undefined && left > 0) {
      this.tell(then);
    }
  }

  /** How many milliseconds it is until then; less than 0 if it was before. Undefined while the clock is not known. */
  until(then: Timestamp): number | undefined {
    return this.#ahead === undefined ? undefined : timestampMs(then) - (this.#runtime.now() + this.#ahead);
  }
}
