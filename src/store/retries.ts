import { setTimeout as sleepFor } from 'node:timers/promises';
import { equalBytes, isEverfullError } from '../base/mod.ts';
import { aroundStore } from './around.ts';
import { byteLengthOf, isTransient, type ListedObject, type ListOptions, type ObjectStore } from './store.ts';

export interface RetryOptions {
  /** How often a call is made at most; a listing, without having got further. */
  readonly attempts: number;
  /** Before the second attempt; doubled before each one after. */
  readonly delayMs: number;
  readonly sleep?: (ms: number) => Promise<unknown>;
}

/** Does `run` again as long as it rejects with what `isTransient`, and no more often than `options` say. */
export async function repeatTransient<T>(
  { attempts, delayMs, sleep = sleepFor }: RetryOptions,
  run: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run(attempt);
    } catch (error) {
      if (attempt >= attempts || !isTransient(error)) throw error;
      await sleep(delayMs * 2 ** (attempt - 1));
    }
  }
}

/**
 * `store` with calls repeated that failed by an error that `isTransient`. A listing that broke off is
 * begun anew, and what it gave before is left out.
 *
 * A put that failed may have taken effect. Where a repeated one meets an object of its name, equal
 * bytes count as its own; so objects whose writer matters must name their writer.
 */
export function withRetries(store: ObjectStore, options: RetryOptions): ObjectStore {
  const { attempts, delayMs, sleep = sleepFor } = options;

  async function isOurs(name: string, parts: readonly Uint8Array[]): Promise<boolean> {
    const length = byteLengthOf(parts);
    if ((await store.size(name)) !== length) return false;
    return equalBytes(await store.get(name, { limit: length }), Buffer.concat(parts));
  }

  async function* list(prefix: string, which?: ListOptions): AsyncGenerator<ListedObject, void> {
    const given = new Set<string>();
    for (let attempt = 1; ; attempt += 1) {
      try {
        for await (const object of store.list(prefix, which)) {
          if (given.has(object.name)) continue;
          given.add(object.name);
          attempt = 1;
          yield object;
        }
        return;
      } catch (error) {
        if (attempt >= attempts || !isTransient(error)) throw error;
        await sleep(delayMs * 2 ** (attempt - 1));
      }
    }
  }

  return {
    ...aroundStore(store, (_, run) => repeatTransient(options, run)),
    list,
    putIfAbsent: (name, parts) =>
      repeatTransient(options, async (attempt) => {
        try {
          await store.putIfAbsent(name, parts);
        } catch (error) {
          if (attempt === 1 || !isEverfullError(error, 'object-exists')) throw error;
          if (!(await isOurs(name, parts))) throw error;
        }
      }),
  };
}
