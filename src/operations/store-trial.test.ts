import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/mod.ts';
import { createRecoverySecret, digest, SlotKind } from '../crypto/mod.ts';
import { storeRecord } from '../format/mod.ts';
import { CONFIG, STORE } from '../repository/mod.ts';
import { MemoryStore } from '../store/mod.ts';
import { init } from './init.ts';

class ForeignStore extends MemoryStore {
  engine() {
    return 'An Engine/1.0';
  }
}

const OPTIONS = {
  keys: [{ credential: { kind: SlotKind.recovery, secret: createRecoverySecret() }, label: 'test' }],
  recovery: false,
  clock: { ...systemClock, now: () => 1_767_225_600_000 },
} as const;

test('init() writes down what it saw of a store on a foreign engine, and of no other', async () => {
  const foreign = new ForeignStore();
  await init(foreign, OPTIONS);
  assert.deepEqual(storeRecord.decode(foreign.objects.get(STORE)!, digest), {
    probed: 1_767_225_600_000,
    conditionalPut: 1,
    readAfterWrite: 1,
    listAfterWrite: 1,
    rangedGet: 1,
    engine: 'An Engine/1.0',
  });
  assert.deepEqual(
    [...foreign.objects.keys()].filter((name) => name.startsWith('probe/')),
    [],
  );
  const own = new MemoryStore();
  await init(own, OPTIONS);
  assert.ok(!own.objects.has(STORE));
});

test('init() refuses an engine that lets two writers put one object, and leaves nothing there', async () => {
  class Overwriting extends ForeignStore {
    override putIfAbsent(name: string, parts: readonly Uint8Array[]) {
      return this.replace(name, parts);
    }
  }
  const store = new Overwriting();
  await assert.rejects(init(store, OPTIONS), {
    code: 'unsupported',
    message: /not exactly one wins/,
    advice: /conditional writes/,
  });
  assert.equal(store.objects.size, 0);
  assert.ok(!store.objects.has(CONFIG));
});
