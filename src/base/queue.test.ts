import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoundedQueue } from './queue.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('items come out in the order in which they went in, whoever is faster', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(9), { maxLength: 200 }),
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
      async (weights, limit, makerPauses, takerPauses) => {
        const queue = new BoundedQueue<{ number: number; weight: number }>(limit, ({ weight }) => weight);
        const make = async () => {
          for (const [number, weight] of weights.entries()) {
            if (makerPauses[number % makerPauses.length]) await turn();
            await queue.room();
            queue.push({ number, weight });
          }
          queue.close();
        };
        const taken: number[] = [];
        const take = async () => {
          for (let item = await queue.take(); item !== undefined; item = await queue.take()) {
            taken.push(item.number);
            if (takerPauses[item.number % takerPauses.length]) await turn();
          }
        };
        await Promise.all([make(), take()]);
        assert.deepEqual(
          taken,
          weights.map((_, number) => number),
        );
        assert.equal(queue.length, 0);
        assert.equal(queue.isFull, false);
      },
    ),
    { numRuns: 40 },
  );
});

test('it is full from its limit of weight on, and room comes when something is taken', async () => {
  const queue = new BoundedQueue<number>(10, (weight) => weight);
  queue.push(4);
  assert.equal(queue.isFull, false);
  queue.push(6);
  assert.equal(queue.isFull, true);
  let hasRoom = false;
  const room = queue.room().then(() => {
    hasRoom = true;
  });
  await turn();
  assert.equal(hasRoom, false);
  assert.equal(await queue.take(), 4);
  await room;
  assert.equal(queue.length, 1);
});

test('many items pass through without piling up in memory', async () => {
  const queue = new BoundedQueue<number>(3000);
  let next = 0;
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 2500; i++) queue.push(round * 2500 + i);
    for (let i = 0; i < 2500; i++) assert.equal(await queue.take(), next++);
  }
  queue.close();
  assert.equal(await queue.take(), undefined);
  assert.equal(await queue.take(), undefined);
});

test('a failure ends both sides, whether they wait or come later, and drops what is left', async () => {
  const queue = new BoundedQueue<number>(1);
  const taking = assert.rejects(queue.take(), /first/);
  queue.fail(new Error('first'));
  queue.fail(new Error('second'));
  await taking;
  await assert.rejects(queue.room(), /first/);

  const full = new BoundedQueue<number>(1);
  full.push(1);
  const waiting = assert.rejects(full.room(), /broken/);
  full.fail(new Error('broken'));
  await waiting;
  await assert.rejects(full.take(), /broken/);
});
