import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexOf, systemClock } from '../base/mod.ts';
import { MemoryStore } from '../store/mod.ts';
import { readDamaged, recordDamaged } from './damaged.ts';

function frame(number: number, pack = 1) {
  const id = Buffer.alloc(32);
  id.writeUInt32LE(number);
  return { id, pack: Buffer.alloc(16, pack) };
}

test('damage is known by frame and pack together', async () => {
  const store = new MemoryStore();
  const none = await readDamaged(store);
  assert.deepEqual([none.size, [...none.ids()], none.has(frame(1).id, frame(1).pack)], [0, [], false]);
  const found = [frame(1, 1), frame(1, 2), frame(2, 2), frame(1, 1)];
  assert.equal(await recordDamaged(store, systemClock, none, found), 3);
  const damaged = await readDamaged(store);
  assert.equal(damaged.size, 3);
  assert.ok(damaged.has(frame(1).id, Buffer.alloc(16, 2)));
  assert.ok(!damaged.has(frame(2).id, Buffer.alloc(16, 1)));
  assert.deepEqual([...damaged.ids()].map(hexOf), [hexOf(frame(1).id), hexOf(frame(2).id)]);
});

test('what is recorded already is not recorded again', async () => {
  const store = new MemoryStore();
  await recordDamaged(store, systemClock, await readDamaged(store), [frame(1)]);
  assert.equal(await recordDamaged(store, systemClock, await readDamaged(store), [frame(1)]), 0);
  assert.equal(store.objects.size, 1);
  assert.equal(await recordDamaged(store, systemClock, await readDamaged(store), [frame(1), frame(2)]), 1);
  assert.equal((await readDamaged(store)).size, 2);
});

test('more than a record holds goes into several', async () => {
  const store = new MemoryStore();
  const found = Array.from({ length: 11 }, (_, i) => frame(i));
  const known = await readDamaged(store);
  assert.equal(await recordDamaged(store, systemClock, known, found, { framesMax: 5 }), 11);
  assert.equal(store.objects.size, 3);
  assert.equal((await readDamaged(store)).size, 11);
});

test('a record that cannot be read rejects, unless somebody takes it', async () => {
  const store = new MemoryStore();
  await recordDamaged(store, systemClock, await readDamaged(store), [frame(1)]);
  await recordDamaged(store, systemClock, await readDamaged(store), [frame(2)]);
  const [name] = store.objects.keys();
  store.objects.get(name!)![20]! ^= 1;
  await assert.rejects(readDamaged(store), { code: 'damaged' });
  const unreadable: string[] = [];
  const rest = await readDamaged(store, (object) => unreadable.push(object));
  assert.deepEqual([unreadable, rest.size], [[name], 1]);
});
