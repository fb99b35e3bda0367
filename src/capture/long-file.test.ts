import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { ChunkPipeline } from '../chunk/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import type { DomainSecrets } from '../crypto/mod.ts';
import { contentLength } from '../format/mod.ts';
import { AT_FDCWD, mknodAt, S_IFIFO, StatBuffer } from '../os/mod.ts';
import { captureLongFile, type LongFile, type LongFileTools, UnreadableFile } from './long-file.ts';
import { timeOf, Word, wordsOf } from './stat-words.ts';
import { CaptureScene } from './testing/capture-scene.ts';
import { snapshotOfTree } from './testing/snapshot.ts';

const MiB = 1024 * 1024;

test('an insertion and a change behind it within a run of equal bytes both reach the image', async (context) => {
  const scene = await CaptureScene.create(context);
  const run = Buffer.alloc(600 * 1024, 0x41);
  let start = noise(1 * MiB, 1);
  writeFileSync(scene.path('file'), Buffer.concat([start, noise(2 * MiB, 2), run, noise(5 * MiB, 3)]));
  await scene.backUp();
  for (let round = 1; round <= 4; round++) {
    // The chunks between the two are found again, moved by the insertion.
    start = Buffer.concat([start.subarray(0, 1000), noise(8000, 10 + round), start.subarray(1000)]);
    run[round * 100_000] = round;
    writeFileSync(scene.path('file'), Buffer.concat([start, noise(2 * MiB, 2), run, noise(5 * MiB, 3)]));
    const { image } = await scene.backUp();
    await scene.assertHolds(image, snapshotOfTree(scene.source));
  }
});

let time = 1_000_000_000;

/** Overwrites a few bytes, at a time of its own however coarse the clock of the file system is. */
function overwrite(path: string, at: number, bytes: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from(bytes), 0, bytes.length, at);
  closeSync(fd);
  utimesSync(path, time, time);
  time++;
}

const LENGTH = 13 * MiB;
const nothing = () => {};

/** Captures a file that is read in three parts, and does `acts` before the readings of its parts, one each. */
async function captureMeanwhile(
  context: TestContext,
  acts: readonly ((path: string) => void)[],
): Promise<{ file: LongFile; bytes: Buffer; readings: number; path: string; secrets: DomainSecrets }> {
  const scene = await CaptureScene.create(context);
  const session = await scene.openSession();
  const pipeline = new ChunkPipeline(scene.pipelineSetup(session), { threads: 1 });
  context.after(async () => {
    await pipeline.close();
    await session.abort({ keep: false });
  });
  const { secrets } = scene.repository;
  const path = scene.path('file').toString();
  writeFileSync(path, noise(LENGTH, 1));
  const stat = new StatBuffer();
  stat.at(AT_FDCWD, path);
  let readings = 0;
  const tools: LongFileTools = {
    pipeline,
    session,
    secrets,
    boundarySeed: secrets.boundaryKey.readUInt32LE(0),
    sink: (node) => session.addNode(node),
    counts: { bytesAdded: 0, bytesAddedStored: 0, chunksAdded: 0 },
    check: () => acts[readings++]?.(path),
    read: () => {},
  };
  const source = {
    path,
    words: wordsOf(stat),
    isSparse: false,
    wantSegments: false,
    old: undefined,
    before: undefined,
    isForgotten: false,
  };
  const file = await captureLongFile(source, tools);
  await session.flush();
  return { file, bytes: await scene.bytesOf(file.content), readings, path, secrets };
}

test('a long file that is written while it is read is begun once more, and is whole then', async (context) => {
  const { file, bytes, readings, path } = await captureMeanwhile(context, [
    nothing,
    (path) => overwrite(path, 12 * MiB, 'one'),
  ]);
  assert.equal(file.changedWhileRead, false);
  assert.ok(bytes.equals(readFileSync(path)));
  assert.equal(timeOf(file.words, Word.mtime)[0], time - 1, 'with the attributes of the second look');
  assert.equal(readings, 2 + 3);
});

test('a long file that is written during both readings is kept as it was read, and marked', async (context) => {
  const { file, bytes, readings } = await captureMeanwhile(context, [
    (path) => overwrite(path, 0, 'one'),
    nothing,
    (path) => {
      // The start is read already, the end is not.
      overwrite(path, 0, 'two');
      overwrite(path, 12 * MiB, 'two');
    },
  ]);
  const expected = noise(LENGTH, 1);
  expected.write('one', 0);
  expected.write('two', 12 * MiB);
  assert.ok(bytes.equals(expected));
  assert.equal(file.changedWhileRead, true);
  assert.equal(readings, 1 + 3);
});

test('a long file that is written before the last of all readings alone is marked', async (context) => {
  const { file, bytes, path } = await captureMeanwhile(context, [
    (path) => overwrite(path, 0, 'one'),
    nothing,
    nothing,
    (path) => overwrite(path, LENGTH - 3, 'two'),
  ]);
  assert.equal(file.changedWhileRead, true);
  assert.ok(bytes.equals(readFileSync(path)));
});

test('a long file that shrinks or grows while it is read is kept as it was read, and marked', async (context) => {
  const shrunk = await captureMeanwhile(context, [
    (path) => overwrite(path, 0, 'one'),
    nothing,
    (path) => truncateSync(path, 8 * MiB),
  ]);
  assert.equal(shrunk.file.changedWhileRead, true);
  assert.ok(shrunk.bytes.equals(readFileSync(shrunk.path)));
  const grown = await captureMeanwhile(context, [
    (path) => overwrite(path, 0, 'one'),
    nothing,
    nothing,
    (path) => appendFileSync(path, noise(MiB, 2)),
  ]);
  assert.equal(grown.file.changedWhileRead, true);
  assert.ok(grown.bytes.equals(readFileSync(grown.path)));
});

test('a long file that shrinks to before where the reading is has what was read', async (context) => {
  const { file, bytes } = await captureMeanwhile(context, [
    (path) => overwrite(path, 0, 'one'),
    nothing,
    (path) => truncateSync(path, 10),
  ]);
  assert.equal(file.changedWhileRead, true);
  assert.ok(bytes.length >= 2 * MiB && bytes.length <= 6 * MiB, `${bytes.length}`);
  assert.equal(contentLength(file.content), bytes.length);
  const expected = noise(LENGTH, 1).subarray(0, bytes.length);
  expected.write('one', 0);
  assert.ok(bytes.equals(expected));
});

test('a long file that is gone, or is no file any more, is an unreadable one', async (context) => {
  const unreadable = (errno: string) => (error: unknown) =>
    error instanceof UnreadableFile && error.failure.errno === errno;
  const gone = [nothing, (path: string) => unlinkSync(path)];
  await assert.rejects(captureMeanwhile(context, gone), unreadable('ENOENT'));
  const goneAgain = [(path: string) => overwrite(path, 0, 'one'), (path: string) => unlinkSync(path)];
  await assert.rejects(captureMeanwhile(context, goneAgain), unreadable('ENOENT'));
  const replaced = (path: string) => {
    unlinkSync(path);
    mknodAt(AT_FDCWD, path, S_IFIFO | 0o600);
  };
  await assert.rejects(captureMeanwhile(context, [replaced]), unreadable('ESTALE'));
});

test('a file that is short by the time it is read bears the fingerprint of its bytes', async (context) => {
  const { file, bytes, secrets } = await captureMeanwhile(context, [(path) => truncateSync(path, 1000)]);
  assert.equal(bytes.length, 1000);
  assert.deepEqual(Buffer.from(file.fingerprint), secrets.fileFingerprint(bytes));
});
