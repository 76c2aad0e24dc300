import type { Runtime } from './runtime.js';

/** How long to wait between attempts: `first` at most after the first failure, twice that after the next, up to `most`. */
export interface Backoff {
  readonly first: number;
  readonly most: number;
}

/**
 * Milliseconds to wait after so many failures in a row, with full jitter: anything from 0 to the bound, so that the
 * clients of a server that comes back do not all come at once. What the server asked for is waited in any case.
 */
export function delay(backoff: Backoff, failures: number, retryAfterMs: number | undefined, runtime: Runtime): number {
  const bound = Math.min(backoff.most, backoff.first * 2 ** Math.min(failures - 1, 30));
  return (retryAfterMs ?? 0) + runtime.random() * bound;
}
