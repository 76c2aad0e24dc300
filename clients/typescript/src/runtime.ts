/** Time and chance as the client uses them. Tests give one of their own; everybody else leaves it alone. */
export interface Runtime {
  /** Milliseconds since some moment. Never goes back. */
  now(): number;
  /** Calls back once, after so many milliseconds. Returns what ends it early. */
  after(milliseconds: number, callback: () => void): () => void;
  /** A number from 0 to below 1. */
  random(): number;
  /** A new name for a request, unlike any other. At most 64 letters. */
  requestId(): string;
}

/** The real time, and real chance. */
export const systemRuntime: Runtime = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => {
      clearTimeout(timer);
    };
  },
  random: () => Math.random(),
  requestId: () => {
    // Not randomUUID, which browsers have on secure pages only.
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  },
};

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
export function sleep(runtime: Runtime, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const finish = (): void => {
      cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = runtime.after(milliseconds, finish);
    signal.addEventListener('abort', finish);
  });
}
