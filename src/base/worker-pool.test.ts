import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkerPool } from './worker-pool.ts';

const PROGRAM = new URL('./testing/native-thread.ts', import.meta.url);

test('a pool gives what its threads answer, and throws what they throw', async () => {
  const pool = new WorkerPool<number>(PROGRAM, undefined, 2);
  try {
    const results = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((value) => pool.run(value)));
    assert.deepEqual(results, [2, 4, 6, 8, 10, 12, 14]);
    await assert.rejects(pool.run(-3), /-3 is below 0/);
    assert.equal(await pool.run(4), 8);
  } finally {
    await pool.close();
  }
  await assert.rejects(pool.run(1), /closed/);
});

test('a pool can be closed at any moment while its threads load native code', async () => {
  for (let delay = 0; delay < 60; delay += 4) {
    const pool = new WorkerPool<number>(PROGRAM, undefined, 2);
    const task = pool.run(delay).catch((error: Error) => error.message);
    await sleep(delay);
    await pool.close();
    assert.ok([delay * 2, 'the workers were closed'].includes((await task) as number | string));
  }
});
