import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeContract } from './contract.ts';
import { withCounting } from './counting.ts';
import { MemoryStore } from './memory-store.ts';

storeContract('memory, counted', async () => ({
  store: withCounting(new MemoryStore()),
  dispose: async () => {},
}));

test('withCounting() counts calls and bytes by kind, failed calls too', async () => {
  const store = withCounting(new MemoryStore());
  await store.putIfAbsent('a', [Buffer.alloc(3), Buffer.alloc(4)]);
  await assert.rejects(store.putIfAbsent('a', [Buffer.alloc(5)]));
  await store.replace('b', [Buffer.alloc(2)]);
  await store.get('a', { range: { offset: 1, length: 6 } });
  await assert.rejects(store.get('none'));
  await store.size('a');
  for await (const _ of store.list(''));
  await store.delete('a');
  await store.deleteDurably(['a', 'b']);
  assert.deepEqual(store.counts, {
    putIfAbsent: { calls: 2, bytes: 12 },
    replace: { calls: 1, bytes: 2 },
    get: { calls: 2, bytes: 6 },
    size: { calls: 1, bytes: 0 },
    list: { calls: 1, bytes: 0 },
    delete: { calls: 1, bytes: 0 },
    deleteDurably: { calls: 1, bytes: 0 },
  });
});
