import { EverfullError } from '../src/base/mod.ts';
import type { ListedObject, ObjectStore } from '../src/store/mod.ts';

/** `store` with some calls done otherwise: what a program does wrong is put between it and its store. */
export function viewOf(store: ObjectStore, changes: Partial<ObjectStore>): ObjectStore {
  return {
    location: store.location,
    putIfAbsent: (name, parts) => store.putIfAbsent(name, parts),
    replace: (name, parts) => store.replace(name, parts),
    get: (name, options) => store.get(name, options),
    size: (name) => store.size(name),
    list: (prefix) => store.list(prefix),
    delete: (name) => store.delete(name),
    deleteDurably: (names) => store.deleteDurably(names),
    close: () => store.close(),
    ...changes,
  };
}

export async function listed(store: ObjectStore, prefix: string): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of store.list(prefix)) objects.push(object);
  return objects;
}

export function missing(name: string): EverfullError {
  return new EverfullError('object-missing', `cannot find object "${name}": a mutant hides it`);
}

/** What matches does not exist. */
export function hiding(store: ObjectStore, hidden: RegExp): ObjectStore {
  return viewOf(store, {
    async get(name, options) {
      if (hidden.test(name)) throw missing(name);
      return store.get(name, options);
    },
    async size(name) {
      if (hidden.test(name)) throw missing(name);
      return store.size(name);
    },
    async *list(prefix) {
      for await (const object of store.list(prefix)) if (!hidden.test(object.name)) yield object;
    },
  });
}

/** Objects that match are put for those alone who see the store so, and are not deleted. */
export function keepingToItself(store: ObjectStore, own: RegExp): ObjectStore {
  const kept = new Map<string, Buffer>();
  return viewOf(store, {
    async putIfAbsent(name, parts) {
      if (own.test(name)) kept.set(name, Buffer.concat(parts));
      else await store.putIfAbsent(name, parts);
    },
    get: async (name, options) => kept.get(name) ?? store.get(name, options),
    size: async (name) => kept.get(name)?.length ?? store.size(name),
    async *list(prefix) {
      yield* store.list(prefix);
      for (const [name, { length }] of kept) if (name.startsWith(prefix)) yield { name, size: length };
    },
    async delete(name) {
      if (!isOf(kept, name)) await store.delete(name);
    },
    deleteDurably: (names) => store.deleteDurably(names.filter((name) => !isOf(kept, name))),
  });
}

/** Whether an object is one of those, or of the same session as one. */
function isOf(kept: ReadonlyMap<string, unknown>, name: string): boolean {
  return [...kept.keys()].some((key) => key.replace(/\.\w+$/, '') === name.replace(/\.\w+$/, ''));
}

/** Puts of what matches are acknowledged at once, and done when {@link release} is called. */
export class HeldBack {
  readonly store: ObjectStore;
  readonly #below: ObjectStore;
  #held: { name: string; parts: Buffer[] }[] = [];

  constructor(below: ObjectStore, held: RegExp) {
    this.#below = below;
    const find = (name: string) => this.#held.find((put) => put.name === name);
    this.store = viewOf(below, {
      putIfAbsent: async (name, parts) => {
        // The caller may use its memory again.
        if (held.test(name)) this.#held.push({ name, parts: parts.map((part) => Buffer.from(part)) });
        else await below.putIfAbsent(name, parts);
      },
      get: async (name, options) => {
        const put = find(name);
        if (put === undefined) return below.get(name, options);
        const whole = Buffer.concat(put.parts);
        const { offset, length } = options?.range ?? { offset: 0, length: whole.length };
        return whole.subarray(offset, offset + length);
      },
      size: async (name) => {
        const put = find(name);
        return put === undefined ? below.size(name) : Buffer.concat(put.parts).length;
      },
      list: (prefix) => this.#list(prefix),
    });
  }

  async *#list(prefix: string): AsyncGenerator<ListedObject> {
    for (const { name, parts } of this.#held)
      if (name.startsWith(prefix)) yield { name, size: Buffer.concat(parts).length };
    yield* this.#below.list(prefix);
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  async release(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    for (const { name, parts } of held) await this.#below.putIfAbsent(name, parts);
  }
}

/** Whether answers are written down, given again, or neither. */
export type Memory = 'record' | 'replay' | 'pass';

/** Reads of what matches are answered as they were before, while `memory` says so. */
export function remembering(store: ObjectStore, remembered: RegExp, memory: () => Memory): ObjectStore {
  const answers = new Map<string, Promise<unknown>>();
  const answer = <T>(key: string, name: string, ask: () => Promise<T>): Promise<T> => {
    if (!remembered.test(name) || memory() === 'pass') return ask();
    const known = answers.get(key);
    if (memory() === 'replay') return known === undefined ? ask() : (known as Promise<T>);
    const fresh = ask();
    fresh.catch(() => answers.delete(key));
    answers.set(key, fresh);
    return fresh;
  };
  return viewOf(store, {
    get: (name, options) => answer(`get ${name}`, name, () => store.get(name, options)),
    size: (name) => answer(`size ${name}`, name, () => store.size(name)),
    async *list(prefix) {
      yield* await answer(`list ${prefix}`, prefix, () => listed(store, prefix));
    },
  });
}

/** A listing of `prefix` also has everything that one before had. */
export function forgettingNothing(store: ObjectStore, prefix: string): ObjectStore {
  const known = new Map<string, ListedObject>();
  return viewOf(store, {
    async *list(asked) {
      if (asked !== prefix) return yield* store.list(asked);
      for await (const object of store.list(asked)) known.set(object.name, object);
      yield* known.values();
    },
  });
}
