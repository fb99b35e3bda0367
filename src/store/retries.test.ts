import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EverfullError } from '../base/mod.ts';
import { storeContract } from './contract.ts';
import { withCounting } from './counting.ts';
import { withFaults } from './faults.ts';
import { MemoryStore } from './memory-store.ts';
import { withRetries } from './retries.ts';

const BYTES = [Buffer.from('12345'), Buffer.from('678')];
const noSleep = async () => {};

let seed = 0;
storeContract('memory, with transient faults and retries', async () => {
  seed += 1;
  const faulty = withFaults(new MemoryStore(), { seed, failBefore: 0.2, failAfter: 0.2, transient: true });
  return { store: withRetries(faulty, { attempts: 40, delayMs: 0 }), dispose: async () => {} };
});

test('withRetries() waits twice as long each time and gives up after the last attempt', async () => {
  const slept: number[] = [];
  const failing = withCounting(withFaults(new MemoryStore(), { seed: 1, failBefore: 1, transient: true }));
  const store = withRetries(failing, { attempts: 4, delayMs: 10, sleep: async (ms) => void slept.push(ms) });
  await assert.rejects(store.get('a'), { code: 'io' });
  await assert.rejects(store.list('')[Symbol.asyncIterator]().next(), { code: 'io' });
  assert.deepEqual(slept, [10, 20, 40, 10, 20, 40]);
  assert.equal(failing.counts.get.calls, 4);
});

test('withRetries() begins a listing that broke off anew, and gives each object once', async () => {
  const memory = new MemoryStore();
  const names = Array.from({ length: 30 }, (_, i) => `index/${i}`);
  for (const name of names) await memory.putIfAbsent(name, BYTES);
  let begun = 0;
  const breaking = {
    ...withCounting(memory),
    async *list(prefix: string) {
      begun += 1;
      // Each time it gets a little further.
      let left = begun * 4;
      for await (const object of memory.list(prefix)) {
        if (left-- === 0) throw new EverfullError('io', 'it broke off', { context: { transient: true } });
        yield object;
      }
    },
  };
  const store = withRetries(breaking, { attempts: 2, delayMs: 0, sleep: noSleep });
  const listed: string[] = [];
  for await (const { name } of store.list('index/')) listed.push(name);
  assert.deepEqual(listed, names);
  assert.equal(begun, 8);
});

test('withRetries() gives a listing up that gets no further', async () => {
  const memory = new MemoryStore();
  await memory.putIfAbsent('a', BYTES);
  const breaking = {
    ...withCounting(memory),
    async *list(prefix: string) {
      yield* memory.list(prefix);
      throw new EverfullError('io', 'it broke off', { context: { transient: true } });
    },
  };
  const slept: number[] = [];
  const store = withRetries(breaking, { attempts: 3, delayMs: 10, sleep: async (ms) => void slept.push(ms) });
  const listed: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { name } of store.list('')) listed.push(name);
    },
    { message: 'it broke off' },
  );
  assert.deepEqual([listed, slept], [['a'], [10, 20]]);
});

test('withRetries() does not repeat what failed for good', async () => {
  const failing = withCounting(withFaults(new MemoryStore(), { seed: 1, failBefore: 1 }));
  const store = withRetries(failing, { attempts: 4, delayMs: 10, sleep: noSleep });
  await assert.rejects(store.putIfAbsent('a', BYTES), { code: 'io' });
  assert.equal(failing.counts.putIfAbsent.calls, 1);
});

test('withRetries() takes an object for its own when a put failed after its effect', async () => {
  const memory = new MemoryStore();
  const store = withRetries(losingAnswers(memory), { attempts: 3, delayMs: 0, sleep: noSleep });
  await store.putIfAbsent('a', BYTES);
  assert.equal(Buffer.from(memory.objects.get('a')!).toString(), '12345678');
});

test('withRetries() leaves an object of another writer alone, whether of other bytes or met at once', async () => {
  const memory = new MemoryStore();
  await memory.putIfAbsent('same', BYTES);
  const plain = withRetries(memory, { attempts: 3, delayMs: 0, sleep: noSleep });
  await assert.rejects(plain.putIfAbsent('same', BYTES), { code: 'object-exists' });

  for (const other of ['12345679', 'longer than ours']) {
    const raced = new MemoryStore();
    const store = withRetries(losingAnswers(raced, other), { attempts: 3, delayMs: 0, sleep: noSleep });
    await assert.rejects(store.putIfAbsent('a', BYTES), { code: 'object-exists' });
    assert.equal(Buffer.from(raced.objects.get('a')!).toString(), other);
  }
});

/** `memory` whose first put takes effect, or loses against `other`, and fails. */
function losingAnswers(memory: MemoryStore, other?: string) {
  let lost = false;
  return {
    ...withCounting(memory),
    async putIfAbsent(name: string, parts: readonly Uint8Array[]) {
      if (lost) return memory.putIfAbsent(name, parts);
      lost = true;
      await memory.putIfAbsent(name, other === undefined ? parts : [Buffer.from(other)]);
      throw new EverfullError('io', 'the answer was lost', { context: { transient: true } });
    },
  };
}
