import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeContract } from './contract.ts';
import { type FaultPlan, withFaults } from './faults.ts';
import { MemoryStore } from './memory-store.ts';
import { isTransient } from './store.ts';

storeContract('memory, with delays', async () => ({
  store: withFaults(new MemoryStore(), { seed: 3, delay: 0.3, delayMsMax: 2 }),
  dispose: async () => {},
}));

const BYTES = [Buffer.from('12345'), Buffer.from('678')];
const INJECTED = { code: 'io', message: /injected fault/ };

test('withFaults() fails before the effect, or after it', async () => {
  const memory = new MemoryStore();
  const before = withFaults(memory, { seed: 1, failBefore: 1 });
  await assert.rejects(before.putIfAbsent('a', BYTES), INJECTED);
  assert.equal(memory.objects.size, 0);
  const after = withFaults(memory, { seed: 1, failAfter: 1 });
  await assert.rejects(after.putIfAbsent('a', BYTES), INJECTED);
  assert.equal(memory.objects.get('a')?.length, 8);
  await assert.rejects(before.delete('a'), INJECTED);
  assert.equal(memory.objects.size, 1);
  await assert.rejects(after.delete('a'), INJECTED);
  assert.equal(memory.objects.size, 0);
  await assert.rejects(before.list('')[Symbol.asyncIterator]().next(), INJECTED);
});

test('withFaults() says that a fault is transient only when the plan does', async () => {
  const errorOf = (plan: FaultPlan) =>
    withFaults(new MemoryStore(), plan)
      .size('a')
      .catch((error: unknown) => error);
  assert.equal(isTransient(await errorOf({ seed: 1, failBefore: 1 })), false);
  assert.equal(isTransient(await errorOf({ seed: 1, failBefore: 1, transient: true })), true);
});

test('withFaults() tears an object only in a put that fails', async () => {
  const memory = new MemoryStore();
  const store = withFaults(memory, { seed: 5, tear: 0.5 });
  let torn = 0;
  for (let i = 0; i < 100; i += 1) {
    const done = await store.putIfAbsent(`${i}`, BYTES).then(
      () => true,
      () => false,
    );
    assert.equal(memory.objects.get(`${i}`)?.length, done ? 8 : 4);
    if (!done) torn += 1;
  }
  assert.ok(torn > 30 && torn < 70, `${torn} of 100 torn`);
});

test('withFaults() does the same again with the same seed, and otherwise with another', async () => {
  const outcomes = async (seed: number) => {
    const store = withFaults(new MemoryStore(), { seed, failBefore: 0.3, failAfter: 0.3 });
    let text = '';
    for (let i = 0; i < 64; i += 1) {
      text += await store.replace('a', BYTES).then(
        () => '.',
        (error: Error) => (error.message.includes('before') ? 'b' : 'a'),
      );
    }
    return text;
  };
  assert.equal(await outcomes(1), await outcomes(1));
  assert.notEqual(await outcomes(1), await outcomes(2));
  assert.deepEqual([...new Set(await outcomes(1))].sort(), ['.', 'a', 'b']);
});
