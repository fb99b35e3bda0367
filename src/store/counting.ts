import { aroundStore, type StoreCallKind } from './around.ts';
import { byteLengthOf, type ObjectStore } from './store.ts';

export interface CallCount {
  /** Failed ones too. */
  calls: number;
  /** Given to puts, or returned by gets. */
  bytes: number;
}

export interface CountingStore extends ObjectStore {
  readonly counts: Readonly<Record<StoreCallKind, Readonly<CallCount>>>;
}

/** `store` with its calls and their bytes counted by kind. */
export function withCounting(store: ObjectStore): CountingStore {
  const none = (): CallCount => ({ calls: 0, bytes: 0 });
  const counts: Record<StoreCallKind, CallCount> = {
    putIfAbsent: none(),
    replace: none(),
    get: none(),
    size: none(),
    list: none(),
    delete: none(),
    deleteDurably: none(),
  };
  const counting = aroundStore(store, async ({ kind, parts }, run) => {
    counts[kind].calls += 1;
    counts[kind].bytes += byteLengthOf(parts);
    const result = await run();
    if (result instanceof Uint8Array) counts[kind].bytes += result.length;
    return result;
  });
  return { ...counting, counts };
}
