import { setTimeout as wait } from 'node:timers/promises';

/** Waits until it is so. Fails after ten seconds, with what was seen last. */
export async function eventually<T>(look: () => T, isSo: (seen: T) => boolean): Promise<T> {
  const end = performance.now() + 10_000;
  for (;;) {
    const seen = look();
    if (isSo(seen)) {
      return seen;
    }
    if (performance.now() > end) {
      throw new Error(`Not so after ten seconds, but: ${String(seen)}`);
    }
    await wait(10);
  }
}
