import { setTimeout as sleepFor } from 'node:timers/promises';
import { equalBytes, isEverfullError } from '../base/mod.ts';
import { aroundStore } from './around.ts';
import { byteLengthOf, isTransient, type ObjectStore } from './store.ts';

export interface RetryOptions {
  /** How often a call is made at most. */
  readonly attempts: number;
  /** Before the second attempt; doubled before each one after. */
  readonly delayMs: number;
  readonly sleep?: (ms: number) => Promise<unknown>;
}

/**
 * `store` with calls repeated that failed by an error that `isTransient`; of a listing, until its first
 * object came.
 *
 * A put that failed may have taken effect. Where a repeated one meets an object of its name, equal
 * bytes count as its own; so objects whose writer matters must name their writer.
 */
export function withRetries(store: ObjectStore, options: RetryOptions): ObjectStore {
  const { attempts, delayMs, sleep = sleepFor } = options;

  async function repeat<T>(run: (attempt: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run(attempt);
      } catch (error) {
        if (attempt >= attempts || !isTransient(error)) throw error;
        await sleep(delayMs * 2 ** (attempt - 1));
      }
    }
  }

  async function isOurs(name: string, parts: readonly Uint8Array[]): Promise<boolean> {
    const length = byteLengthOf(parts);
    if ((await store.size(name)) !== length) return false;
    return equalBytes(await store.get(name, { limit: length }), Buffer.concat(parts));
  }

  return {
    ...aroundStore(store, (_, run) => repeat(run)),
    putIfAbsent: (name, parts) =>
      repeat(async (attempt) => {
        try {
          await store.putIfAbsent(name, parts);
        } catch (error) {
          if (attempt === 1 || !isEverfullError(error, 'object-exists')) throw error;
          if (!(await isOurs(name, parts))) throw error;
        }
      }),
  };
}
