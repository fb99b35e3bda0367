import { setTimeout as sleepFor } from 'node:timers/promises';
import { type Clock, systemClock } from '../base/mod.ts';
import { aroundStore } from './around.ts';
import { byteLengthOf, type ObjectStore } from './store.ts';

export interface ThrottleOptions {
  readonly uploadBytesPerSecond?: number;
  readonly downloadBytesPerSecond?: number;
  readonly clock?: Clock;
  readonly sleep?: (ms: number) => Promise<unknown>;
}

/**
 * `store` with puts held back, and what was read handed out late, so that on average no more than the
 * given rates pass, however many calls run at once.
 */
export function withThrottle(store: ObjectStore, options: ThrottleOptions): ObjectStore {
  const { uploadBytesPerSecond = Infinity, downloadBytesPerSecond = Infinity } = options;
  const { clock = systemClock, sleep = sleepFor } = options;
  const upload = lane(uploadBytesPerSecond);
  const download = lane(downloadBytesPerSecond);

  /** Bytes pass one after another: each waits for those before it and for itself. */
  function lane(bytesPerSecond: number): (bytes: number) => Promise<void> {
    let free = 0;
    return async (bytes) => {
      if (bytes === 0) return;
      const now = clock.monotonic();
      free = Math.max(free, now) + (bytes / bytesPerSecond) * 1000;
      if (free > now) await sleep(free - now);
    };
  }

  return aroundStore(store, async (call, run) => {
    await upload(byteLengthOf(call.parts));
    const result = await run();
    if (result instanceof Uint8Array) await download(result.length);
    return result;
  });
}
