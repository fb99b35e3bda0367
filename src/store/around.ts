import type { ObjectStore } from './store.ts';

export type StoreCallKind = Exclude<keyof ObjectStore, 'location' | 'engine' | 'close'>;

export interface StoreCall {
  readonly kind: StoreCallKind;
  /** The object's name; of a listing, the prefix; of several, the first, or ''. */
  readonly name: string;
  /** What is to be written. */
  readonly parts: readonly Uint8Array[];
}

/** Does `call` by `run`, which may be repeated, and answers with its result. */
export type Around = <T>(call: StoreCall, run: () => Promise<T>) => Promise<T>;

/**
 * `store` with every call handed to `around`: the ground of the wrappers. Of a listing that is the way
 * to its first object; what comes after is passed through.
 */
export function aroundStore(store: ObjectStore, around: Around): ObjectStore {
  return {
    location: store.location,
    putIfAbsent: (name, parts) =>
      around({ kind: 'putIfAbsent', name, parts }, () => store.putIfAbsent(name, parts)),
    replace: (name, parts) => around({ kind: 'replace', name, parts }, () => store.replace(name, parts)),
    get: (name, options) => around({ kind: 'get', name, parts: [] }, () => store.get(name, options)),
    size: (name) => around({ kind: 'size', name, parts: [] }, () => store.size(name)),
    delete: (name) => around({ kind: 'delete', name, parts: [] }, () => store.delete(name)),
    deleteDurably: (names) =>
      around({ kind: 'deleteDurably', name: names[0] ?? '', parts: [] }, () => store.deleteDurably(names)),
    ...(store.engine !== undefined && { engine: () => store.engine!() }),
    async *list(prefix, options) {
      const { first, rest } = await around({ kind: 'list', name: prefix, parts: [] }, async () => {
        const iterator = store.list(prefix, options)[Symbol.asyncIterator]();
        return { first: await iterator.next(), rest: iterator };
      });
      if (first.done) return;
      try {
        yield first.value;
        yield* { [Symbol.asyncIterator]: () => rest };
      } finally {
        await rest.return?.();
      }
    },
    close: () => store.close(),
  };
}
