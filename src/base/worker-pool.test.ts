import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, isEverfullError } from './errors.ts';
import type { StrangeTask } from './testing/strange-thread.ts';
import { WorkerPool } from './worker-pool.ts';

const PROGRAM = new URL('./testing/native-thread.ts', import.meta.url);
const STRANGE = new URL('./testing/strange-thread.ts', import.meta.url);

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

test('an operating error comes from a thread with code, context, advice and cause', async () => {
  const pool = new WorkerPool<StrangeTask>(STRANGE, undefined, 1);
  try {
    const error = await pool.run({ do: 'operating' }).catch((error: unknown) => error);
    assert.ok(isEverfullError(error, 'damaged'));
    assert.deepEqual(error.context, { at: 7 });
    assert.equal(error.advice, 'Mend it.');
    assert.ok(isEverfullError(error.cause, 'io'));
    assert.equal(errnoOf(await pool.run({ do: 'errno' }).catch((error: unknown) => error)), 'ENOENT');
  } finally {
    await pool.close();
  }
});

test('a result that cannot travel is an error of its task, and the thread goes on', async () => {
  const pool = new WorkerPool<StrangeTask>(STRANGE, undefined, 1);
  try {
    await assert.rejects(pool.run({ do: 'function' }), /could not be cloned/);
    assert.equal(await pool.run({ do: 'answer', value: 5 }), 5);
  } finally {
    await pool.close();
  }
});

test('urgent tasks go before those that wait', async () => {
  const pool = new WorkerPool<StrangeTask>(STRANGE, undefined, 1);
  const ended: number[] = [];
  const run = (value: number, urgent: boolean) =>
    pool.run({ do: value === 0 ? 'hold' : 'answer', value }, { urgent }).then(() => ended.push(value));
  try {
    const usual = [0, 1, 2, 3, 4, 5].map((value) => run(value, false));
    await Promise.all([...usual, run(6, true)]);
    assert.deepEqual(ended, [0, 1, 2, 3, 6, 4, 5], 'four were with the thread before the urgent one came');
  } finally {
    await pool.close();
  }
});

test('when a thread ends at its work, every task is rejected, and so are those that come later', async () => {
  const pool = new WorkerPool<StrangeTask>(STRANGE, undefined, 2);
  const tasks: Promise<unknown>[] = [pool.run({ do: 'exit' })];
  for (let value = 0; value < 20; value++) tasks.push(pool.run({ do: 'hold', value: 20 }));
  const results = await Promise.allSettled(tasks);
  assert.equal(results[0]?.status, 'rejected');
  await assert.rejects(pool.run({ do: 'answer', value: 1 }), /ended with 3/);
  await pool.close();
});

test('a thread that ends without work is noticed before the next task hangs on it', async () => {
  const pool = new WorkerPool<StrangeTask>(STRANGE, undefined, 1);
  assert.equal(await pool.run({ do: 'die' }), 'soon');
  for (;;) {
    const failure = await pool.run({ do: 'answer', value: 1 }).then(
      () => undefined,
      (error: Error) => error,
    );
    if (failure !== undefined) {
      assert.match(failure.message, /out of the blue/);
      break;
    }
  }
  await pool.close();
  await pool.close();
});
