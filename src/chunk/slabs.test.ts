import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layOut, Slabs, viewsOf } from './slabs.ts';

test('slabs are lent one by one, and who waits gets them in the order of asking', async () => {
  const slabs = new Slabs(5, 2);
  const first = await slabs.acquire();
  const second = await slabs.acquire();
  assert.deepEqual([first, second], [5, 6]);
  const got: string[] = [];
  const waiting = ['a', 'b'].map((name) => slabs.acquire().then((slab) => got.push(`${name}${slab}`)));
  slabs.release(second);
  await waiting[0];
  slabs.release(first);
  await waiting[1];
  assert.deepEqual(got, ['a6', 'b5']);
});

test('a slab that is retained is lent again only after as many releases', async () => {
  const slabs = new Slabs(0, 1);
  const slab = await slabs.acquire();
  slabs.retain(slab);
  let isLent = false;
  const next = slabs.acquire().then(() => {
    isLent = true;
  });
  slabs.release(slab);
  await new Promise((turn) => setImmediate(turn));
  assert.equal(isLent, false);
  slabs.release(slab);
  await next;
});

test('slabs do not overlap, and each has its slack', () => {
  const memory = layOut(2);
  const views = viewsOf(memory);
  let end = 1024;
  for (const [i, { at, length }] of memory.places.entries()) {
    assert.equal(at, end);
    assert.equal(views[i].byteOffset, at);
    assert.ok(views[i].length > length);
    end = at + views[i].length;
  }
  assert.ok(end <= memory.memory.buffer.byteLength);
});
