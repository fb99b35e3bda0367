import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteCache } from './byte-cache.ts';

test('a value that several ask for at once is made once', async () => {
  const cache = new ByteCache(100);
  let made = 0;
  const make = async () => {
    made++;
    await new Promise((resolve) => setImmediate(resolve));
    return { value: made, bytes: 10 };
  };
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => cache.get('a', make))), [1, 1, 1]);
  assert.equal(await cache.get('a', make), 1);
  assert.equal(made, 1);
});

test('a failure goes to all who asked, and the next one tries again', async () => {
  const cache = new ByteCache(100);
  const results = await Promise.allSettled(
    [1, 2].map(() => cache.get('a', () => Promise.reject(new Error('no')))),
  );
  assert.ok(results.every(({ status }) => status === 'rejected'));
  assert.equal(await cache.get('a', async () => ({ value: 'yes', bytes: 1 })), 'yes');
});

test('what is kept is what was used last, and never more than the bound', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(9), { maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 10, maxLength: 10 }),
      async (keys, sizes) => {
        const cache = new ByteCache(60);
        const kept: number[] = [];
        for (const key of keys) {
          let isMade = false;
          await cache.get(String(key), async () => {
            isMade = true;
            return { value: key, bytes: sizes[key] };
          });
          assert.equal(isMade, !kept.includes(key));
          if (!isMade) kept.splice(kept.indexOf(key), 1);
          kept.push(key);
          while (kept.reduce((sum, one) => sum + sizes[one], 0) > 60) kept.shift();
        }
      },
    ),
    { numRuns: 50 },
  );
});
