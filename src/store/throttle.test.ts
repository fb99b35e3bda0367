import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/mod.ts';
import { storeContract } from './contract.ts';
import { MemoryStore } from './memory-store.ts';
import { withThrottle } from './throttle.ts';

storeContract('memory, throttled', async () => ({
  store: withThrottle(new MemoryStore(), { uploadBytesPerSecond: 1e10, downloadBytesPerSecond: 1e10 }),
  dispose: async () => {},
}));

test('withThrottle() lets bytes pass at the given rates, each way for itself', async () => {
  let time = 1000;
  const slept: number[] = [];
  const store = withThrottle(new MemoryStore(), {
    uploadBytesPerSecond: 100,
    downloadBytesPerSecond: 200,
    clock: { ...systemClock, now: () => 0, monotonic: () => time },
    sleep: async (ms) => void slept.push(ms),
  });
  await Promise.all([
    store.putIfAbsent('a', [Buffer.alloc(50)]),
    store.putIfAbsent('b', [Buffer.alloc(100)]),
  ]);
  assert.deepEqual(slept.splice(0), [500, 1500]);
  await store.get('a');
  await store.size('a');
  assert.deepEqual(slept.splice(0), [250]);
  time += 1000;
  await store.replace('c', [Buffer.alloc(10)]);
  assert.deepEqual(slept.splice(0), [600]);
  time += 10_000;
  await store.replace('c', [Buffer.alloc(10)]);
  assert.deepEqual(slept.splice(0), [100]);
});
