import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from './memory-store.ts';
import { probeStore, type StoreProbe } from './probe.ts';
import type { GetOptions, ListedObject } from './store.ts';

const KEPT: StoreProbe = {
  conditionalPut: true,
  readAfterWrite: true,
  listAfterWrite: true,
  rangedGet: true,
};

async function assertProbe(store: MemoryStore, broken: Partial<StoreProbe>): Promise<void> {
  assert.deepEqual(await probeStore(store), { ...KEPT, ...broken });
  assert.equal(store.objects.size, 0, 'objects left behind');
}

test('probeStore() finds that a store keeps what it promises, and leaves nothing behind', async () => {
  await assertProbe(new MemoryStore(), {});
});

test('probeStore() finds a store that overwrites what it should refuse', async () => {
  class Overwriting extends MemoryStore {
    override putIfAbsent(name: string, parts: readonly Uint8Array[]) {
      return this.replace(name, parts);
    }
  }
  await assertProbe(new Overwriting(), { conditionalPut: false });
});

test('probeStore() finds a store that looks first and writes then', async () => {
  class Hesitating extends MemoryStore {
    override async putIfAbsent(name: string, parts: readonly Uint8Array[]) {
      const isThere = this.objects.has(name);
      await new Promise((resolve) => setImmediate(resolve));
      if (isThere) return super.putIfAbsent(name, parts);
      await this.replace(name, parts);
    }
  }
  await assertProbe(new Hesitating(), { conditionalPut: false });
});

test('probeStore() finds a store that remembers misses, or old bytes', async () => {
  class Remembering extends MemoryStore {
    readonly #found = new Map<string, Uint8Array>();
    override async get(name: string, options?: GetOptions) {
      const bytes = await super.get(name, options);
      if (options !== undefined) return bytes;
      if (!this.#found.has(name)) this.#found.set(name, bytes);
      return this.#found.get(name)!;
    }
  }
  await assertProbe(new Remembering(), { readAfterWrite: false });
  class MissRemembering extends MemoryStore {
    readonly #missed = new Set<string>();
    override async get(name: string, options?: GetOptions) {
      if (!this.objects.has(name)) this.#missed.add(name);
      return super.get(this.#missed.has(name) ? 'missing' : name, options);
    }
  }
  await assertProbe(new MissRemembering(), { readAfterWrite: false });
});

test('probeStore() finds a store whose listings lag behind', async () => {
  class Lagging extends MemoryStore {
    #shown: ListedObject[] = [];
    override async *list(prefix: string) {
      const shown = this.#shown;
      this.#shown = [];
      for await (const object of super.list(prefix)) this.#shown.push(object);
      yield* shown;
    }
  }
  await assertProbe(new Lagging(), { listAfterWrite: false });
});

test('probeStore() finds a store that does not know ranges', async () => {
  class Rangeless extends MemoryStore {
    override get(name: string) {
      return super.get(name);
    }
  }
  await assertProbe(new Rangeless(), { rangedGet: false });
});
