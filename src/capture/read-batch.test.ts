import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BATCH_BYTES, ChunkPipeline, ReadStatus } from '../chunk/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { AT_FDCWD, StatBuffer } from '../os/mod.ts';
import { ReadBatch } from './read-batch.ts';
import { Word, wordsOf } from './stat-words.ts';

interface Setting {
  readonly folder: string;
  readonly pipeline: ChunkPipeline;
}

function prepare(context: TestContext): Setting {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-batch-'));
  const key = Buffer.alloc(32, 1);
  const pipeline = new ChunkPipeline(
    { domainSecret: key, dataKey: key, dataKeyId: Buffer.alloc(16), compression: 'fastest' },
    { threads: 1 },
  );
  context.after(async () => {
    await pipeline.close();
    rmSync(folder, { recursive: true });
  });
  return { folder, pipeline };
}

/** How many batches may be read at the same time by one thread. */
const BATCHES_AT_ONCE = 3;

function look(path: string): Uint32Array {
  const stat = new StatBuffer();
  assert.equal(stat.at(AT_FDCWD, path), true);
  return wordsOf(stat);
}

function ofSize(bytes: number): Uint32Array {
  const words = new Uint32Array(16);
  words[Word.size] = bytes;
  return words;
}

test('the files of a batch are read each to its place', async (context) => {
  const { folder, pipeline } = prepare(context);
  const sizes = [10, 0, 4096, 1, 500_000, 0, 77];
  const batch = new ReadBatch();
  assert.equal(batch.isEmpty, true);
  for (const [i, size] of sizes.entries()) {
    const path = join(folder, `${i}`);
    writeFileSync(path, noise(size, i));
    assert.equal(batch.add(path, look(path)), i);
  }
  assert.equal(batch.isEmpty, false);
  await batch.dispatch(pipeline);
  const { status, lengths } = await batch.result;
  assert.ok(status.every((one) => one === ReadStatus.whole));
  for (const [i, size] of sizes.entries()) {
    assert.equal(lengths[i], size);
    assert.ok(noise(size, i).equals(batch.bytes(i, size)));
  }
});

test('what changed since the look, or is gone, is told of, and the others are read', async (context) => {
  const { folder, pipeline } = prepare(context);
  const batch = new ReadBatch();
  const names = ['as it was', 'longer', 'shorter', 'gone', 'last'];
  for (const name of names) {
    writeFileSync(join(folder, name), name);
    batch.add(join(folder, name), look(join(folder, name)));
  }
  appendFileSync(join(folder, 'longer'), ' now');
  writeFileSync(join(folder, 'shorter'), 'sh');
  unlinkSync(join(folder, 'gone'));
  await batch.dispatch(pipeline);
  const { status, lengths, failures } = await batch.result;
  const { whole, changed, failed } = ReadStatus;
  assert.deepEqual([...status], [whole, changed, changed, failed, whole]);
  assert.equal(lengths[2], 2);
  assert.deepEqual(
    failures.map(({ index, errno }) => [index, errno]),
    [[3, 'ENOENT']],
  );
  assert.equal(Buffer.from(batch.bytes(4, 4)).toString(), 'last');
});

test('a batch takes as many files as a message may carry, and as many bytes as its memory', () => {
  const small = new ReadBatch();
  let count = 0;
  for (; small.fits(ofSize(0)); count++) small.add(`${count}`, ofSize(0));
  assert.equal(count, 512);
  const large = new ReadBatch();
  large.add('a', ofSize(BATCH_BYTES - 10));
  assert.equal(large.fits(ofSize(11)), false);
  assert.equal(large.fits(ofSize(10)), true);
  large.add('b', ofSize(10));
  assert.equal(large.fits(ofSize(1)), false);
  assert.equal(large.fits(ofSize(0)), true);
});

test('the memory of a batch goes back when all its files are done with, and not before', async (context) => {
  const { folder, pipeline } = prepare(context);
  writeFileSync(join(folder, 'file'), 'x');
  const words = look(join(folder, 'file'));
  const batches: ReadBatch[] = [];
  for (let i = 0; i < BATCHES_AT_ONCE + 1; i++) {
    const batch = new ReadBatch();
    for (let file = 0; file < 2; file++) batch.add(join(folder, 'file'), words);
    batches.push(batch);
  }
  const last = batches.pop()!;
  for (const batch of batches) await batch.dispatch(pipeline);
  let isDispatched = false;
  const dispatched = last.dispatch(pipeline).then(() => {
    isDispatched = true;
  });
  for (const batch of batches) await batch.result;
  batches[0].done();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isDispatched, false, 'one file of the batch is left');
  batches[0].done();
  await dispatched;
  assert.deepEqual([...(await last.result).lengths], [1, 1]);
});

test('a batch that nobody waits for fails quietly, and one that somebody waits for fails there', async (context) => {
  const { folder, pipeline } = prepare(context);
  writeFileSync(join(folder, 'file'), 'x');
  const batch = new ReadBatch();
  batch.add(join(folder, 'file'), look(join(folder, 'file')));
  await pipeline.pools.batches.acquire();
  await pipeline.close();
  await batch.dispatch(pipeline);
  await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(batch.result, /closed/);
});
