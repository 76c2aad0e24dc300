import { defer, filter, map, Observable, share, startWith } from 'rxjs';
import type { Call } from './call.js';
import type { CallChange, CallNotification, Followed } from './follow.js';

/**
 * The calls that ring or that this user is in, live. All of it comes from one stream, which is open as long as somebody
 * subscribes to any of it.
 */
export class ClientState {
  /**
   * The present list, as soon as it is known, and a new one at each change. It goes on over lost connections and
   * restarts of the server; it ends when the client is closed, and fails only with what cannot heal.
   */
  readonly calls$: Observable<Call[]>;
  /** Each change as it was told: what caused it, and why a call stopped ringing. */
  readonly changes$: Observable<CallChange>;
  /** Each notification by somebody else. Those that come while nobody subscribes are not told again. */
  readonly notifications$: Observable<CallNotification>;
  #calls: Call[] | undefined;

  /** @internal */
  constructor(start: (emit: (followed: Followed) => void, signal: AbortSignal) => Promise<void>) {
    const followed$ = new Observable<Followed>((subscriber) => {
      const stop = new AbortController();
      const emit = (followed: Followed): void => {
        if (stop.signal.aborted) {
          return;
        }
        if (followed.kind === 'list') {
          this.#calls = followed.calls;
        }
        subscriber.next(followed);
      };
      start(emit, stop.signal).then(
        () => {
          subscriber.complete();
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
      return () => {
        stop.abort();
        this.#calls = undefined;
      };
    }).pipe(share());
    const lists$ = followed$.pipe(
      filter((followed) => followed.kind === 'list'),
      map(({ calls }) => [...calls]),
    );
    this.calls$ = defer(() => (this.#calls === undefined ? lists$ : lists$.pipe(startWith([...this.#calls]))));
    this.changes$ = followed$.pipe(
      filter((followed) => followed.kind === 'change'),
      map(({ change }) => change),
    );
    this.notifications$ = followed$.pipe(
      filter((followed) => followed.kind === 'notification'),
      map(({ notification }) => notification),
    );
  }

  /** The present list. Empty while nobody subscribes to `calls$`. */
  get calls(): readonly Call[] {
    return this.#calls ?? [];
  }
}
