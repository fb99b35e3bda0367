import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { noise } from '../chunk/testing/noise.ts';
import { contentLength } from '../format/mod.ts';
import { piecesInRange } from '../image/mod.ts';
import { AT_FDCWD, close, O_RDWR, open, openFile, punchHole, seekData, seekHole } from '../os/mod.ts';
import type { Image } from '../repository/mod.ts';
import { CaptureScene } from './testing/capture-scene.ts';
import { snapshotOfTree } from './testing/snapshot.ts';
import { datasetFolder } from './track-log.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const LENGTH = 16 * MIB;

/** Overwrites eight blocks of 4 KiB, spread so that few fall into one chunk, however long that is. */
function overwriteBlocks(path: string, seed: number): void {
  const jitter = noise(8, seed);
  const fd = openSync(path, 'r+');
  for (let i = 0; i < 8; i++)
    writeSync(fd, noise(4096, seed * 1000 + i), 0, 4096, (i * LENGTH) / 8 + jitter[i] * 4096);
  closeSync(fd);
}

function overwriteBlock(path: string, seed: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, noise(4096, seed), 0, 4096, 3 * MIB + (seed % 100) * 8 * KIB);
  closeSync(fd);
}

function insert(path: string, at: number, bytes: Uint8Array): void {
  const old = readFileSync(path);
  writeFileSync(path, Buffer.concat([old.subarray(0, at), bytes, old.subarray(at)]));
}

function punchHoles(path: string, holes: readonly (readonly [number, number])[]): void {
  const fd = open(AT_FDCWD, path, O_RDWR);
  for (const [at, length] of holes) punchHole(fd, at, length);
  close(fd);
}

/** Where the file system says that holes are, as `from-to`. */
function holesOf(path: string, length: number): string[] {
  const holes: string[] = [];
  const fd = openFile(AT_FDCWD, path);
  for (let at = 0; at < length; ) {
    const data = seekData(fd, at);
    const end = data < 0 ? length : data;
    if (end > at) holes.push(`${at}-${end}`);
    at = data < 0 ? length : seekHole(fd, data);
  }
  close(fd);
  return holes;
}

async function holesIn(scene: CaptureScene, image: Image, name: string): Promise<string[]> {
  const { content } = (await scene.entry(image, name))!;
  const nodes = async (...[kind, id]: Parameters<typeof scene.repository.frame>) =>
    (await scene.repository.frame(kind, id)).plain;
  const holes: string[] = [];
  let at = 0;
  for await (const { piece } of piecesInRange(nodes, content!, 0, contentLength(content!))) {
    if (piece.chunk === undefined) holes.push(`${at}-${at + piece.length}`);
    at += piece.length;
  }
  return holes;
}

interface Change {
  readonly act: (path: string) => void;
  /** Most plain bytes of content that the repository may have to take in: more than usual, since chunks end where the secrets say. */
  readonly addedMax: number;
}

/** Each change of the file comes after those above. */
const CHANGES: Readonly<Record<string, Change>> = {
  'nothing but the time': { act: (path) => writeFileSync(path, readFileSync(path)), addedMax: 0 },
  'eight blocks': { act: (path) => overwriteBlocks(path, 1), addedMax: MIB },
  'eight others': { act: (path) => overwriteBlocks(path, 2), addedMax: MIB },
  '100 bytes inserted near the start': {
    act: (path) => insert(path, 1000, noise(100, 3)),
    addedMax: 6 * MIB,
  },
  'eight blocks after the insertion': { act: (path) => overwriteBlocks(path, 4), addedMax: 2 * MIB },
  'cut in the middle of a chunk': {
    act: (path) => truncateSync(path, LENGTH - 3 * MIB - 12_345),
    addedMax: 5 * MIB,
  },
  'an append': { act: (path) => writeFileSync(path, noise(MIB, 5), { flag: 'a' }), addedMax: 5 * MIB },
  'holes punched within': {
    act: (path) =>
      punchHoles(path, [
        [2 * MIB, 64 * KIB],
        [5 * MIB + 4096, 3 * MIB],
        [0, 4096],
      ]),
    addedMax: 5 * MIB,
  },
  'blocks beside and in the holes': {
    act: (path) => {
      const fd = openSync(path, 'r+');
      for (const at of [2 * MIB + 16 * KIB, 2 * MIB - 4096, 6 * MIB, 10 * MIB])
        writeSync(fd, noise(4096, at), 0, 4096, at);
      closeSync(fd);
    },
    addedMax: 5 * MIB,
  },
  // Written anew by the test, its holes become zeros.
  'a byte inserted at the very start': {
    act: (path) => insert(path, 0, Buffer.from('x')),
    addedMax: 10 * MIB,
  },
  'its halves exchanged': {
    act: (path) => {
      const old = readFileSync(path);
      writeFileSync(path, Buffer.concat([old.subarray(old.length >> 1), old.subarray(0, old.length >> 1)]));
    },
    addedMax: 12 * MIB,
  },
  'shorter, and just long enough for segments': {
    act: (path) => truncateSync(path, 8 * MIB),
    addedMax: 5 * MIB,
  },
  // Without segments only whole chunks are found again, and some are stored as slices.
  'shorter than what has segments': { act: (path) => truncateSync(path, 5 * MIB), addedMax: 5 * MIB },
  'long again': { act: (path) => writeFileSync(path, noise(4 * MIB, 6), { flag: 'a' }), addedMax: 9 * MIB },
};

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('every state of a long file comes back byte for byte, and takes in little', async (context) => {
  const scene = await CaptureScene.create(context);
  const path = scene.path('file').toString();
  const kept: { name: string; image: Image; digest: string }[] = [];
  const take = async (name: string, addedMax: number) => {
    const { image, tree } = await scene.backUp();
    const bytes = readFileSync(path);
    kept.push({ name, image, digest: digestOf(bytes) });
    assert.ok(tree.counts.bytesAdded <= addedMax, `${name}: ${tree.counts.bytesAdded} bytes were added`);
    assert.deepEqual(await holesIn(scene, image, 'file'), holesOf(path, bytes.length), name);
  };
  writeFileSync(path, noise(LENGTH, 0));
  await take('the first', LENGTH);
  for (const [name, { act, addedMax }] of Object.entries(CHANGES)) {
    act(path);
    await take(name, addedMax);
  }
  for (const { name, image, digest } of kept)
    assert.equal(digestOf(await scene.content(image, 'file')), digest, name);
});

/** A scene with a file of 9 MiB that was backed up and read twice, so that it has segment entries. */
async function sceneWithFile(context: TestContext): Promise<{ scene: CaptureScene; path: string }> {
  const scene = await CaptureScene.create(context);
  const path = scene.path('a').toString();
  writeFileSync(path, noise(9 * MIB, 1));
  await scene.backUp();
  await backUpTouched(scene, path);
  return { scene, path };
}

async function backUpTouched(scene: CaptureScene, path: string): Promise<void> {
  utimesSync(path, 1_000_000_000, 1_000_000_000);
  const { tree } = await scene.backUp();
  assert.equal(tree.counts.bytesAdded, 0);
}

test('a file from 64 MiB on gets segment entries at once, a shorter one when it is read again', async (context) => {
  const scene = await CaptureScene.create(context);
  const segments = () => readdirSync(`${datasetFolder(scene.state, scene.dataset)}/segments`).length;
  const path = (name: string) => scene.path(name).toString();
  for (const [name, length] of Object.entries({ short: 8 * MIB - 1, middle: 64 * MIB - 1, long: 64 * MIB })) {
    writeFileSync(path(name), name);
    truncateSync(path(name), length);
  }
  await scene.backUp();
  assert.equal(segments(), 1);
  await backUpTouched(scene, path('short'));
  assert.equal(segments(), 1);
  await backUpTouched(scene, path('middle'));
  assert.equal(segments(), 2);
});

test('copies and other names of a long file add nothing', async (context) => {
  const { scene, path } = await sceneWithFile(context);
  writeFileSync(scene.path('copy'), noise(9 * MIB, 1));
  linkSync(path, scene.path('linked'));
  const { image, tree } = await scene.backUp();
  assert.equal(tree.counts.chunksAdded, 0);
  await scene.assertHolds(image, snapshotOfTree(scene.source));
  renameSync(scene.path('copy'), scene.path('renamed'));
  overwriteBlock(path, 5);
  const changed = await scene.backUp();
  assert.ok(changed.tree.counts.bytesAdded < 64 * KIB, `${changed.tree.counts.bytesAdded} bytes were added`);
  await scene.assertHolds(changed.image, snapshotOfTree(scene.source));
});

test('without its segment entries a change of a long file costs the chunks that it touches', async (context) => {
  const { scene, path } = await sceneWithFile(context);
  const segments = `${datasetFolder(scene.state, scene.dataset)}/segments`;
  assert.equal(readdirSync(segments).length, 1);
  rmSync(segments, { recursive: true });
  overwriteBlock(path, 1);
  const lost = await scene.backUp();
  assert.ok(lost.tree.counts.bytesAdded > 256 * KIB && lost.tree.counts.bytesAdded < 9 * MIB);
  await scene.assertHolds(lost.image, snapshotOfTree(scene.source));
  assert.equal(readdirSync(segments).length, 1, 'they are there for the next time');
  overwriteBlock(path, 2);
  const found = await scene.backUp();
  assert.ok(found.tree.counts.bytesAdded < 64 * KIB, `${found.tree.counts.bytesAdded} bytes were added`);
  await scene.assertHolds(found.image, snapshotOfTree(scene.source));
});

test('damaged segment entries are as good as none', async (context) => {
  const { scene, path } = await sceneWithFile(context);
  const segments = `${datasetFolder(scene.state, scene.dataset)}/segments`;
  const [name] = readdirSync(segments);
  const good = readFileSync(`${segments}/${name}`);
  for (const damaged of [good.subarray(0, 100), Buffer.alloc(0), Buffer.from(good).fill(1, 500, 501)]) {
    writeFileSync(`${segments}/${name}`, damaged);
    overwriteBlock(path, damaged.length);
    const { image, failed } = await scene.backUp();
    assert.deepEqual(failed, []);
    await scene.assertHolds(image, snapshotOfTree(scene.source));
    writeFileSync(path, noise(9 * MIB, 1));
    await scene.backUp();
  }
});

test('small islands of data in a long file of holes share chunks, and the holes stay', async (context) => {
  const scene = await CaptureScene.create(context);
  const path = scene.path('sparse').toString();
  const length = 100 * MIB;
  const fd = openSync(path, 'w');
  ftruncateSync(fd, length);
  for (let i = 0; i < 100; i++) writeSync(fd, noise(8 * KIB, i), 0, 8 * KIB, i * MIB + 100 * KIB);
  closeSync(fd);
  const { image, tree } = await scene.backUp();
  assert.ok(tree.counts.chunksAdded <= 2, `${tree.counts.chunksAdded} chunks`);
  assert.equal(tree.counts.bytesAdded, 800 * KIB);
  assert.deepEqual(await holesIn(scene, image, 'sparse'), holesOf(path, length));
  await scene.assertHolds(image, snapshotOfTree(scene.source));
});

test('holes that come and go in a long file cost what is beside them', async (context) => {
  const scene = await CaptureScene.create(context);
  const path = scene.path('sparse').toString();
  const length = 50 * MIB;
  const write = (bytes: Uint8Array, at: number) => {
    const fd = openSync(path, 'r+');
    writeSync(fd, bytes, 0, bytes.length, at);
    closeSync(fd);
  };
  writeFileSync(path, '');
  truncateSync(path, length);
  for (let i = 0; i < 10; i++) write(noise(MIB, i), i * 5 * MIB);
  await scene.backUp();
  await backUpTouched(scene, path);
  const changes: Readonly<Record<string, () => void>> = {
    'data in a hole': () => write(noise(4 * KIB, 99), 18 * MIB),
    'a hole in data': () => punchHoles(path, [[20 * MIB + 256 * KIB, 64 * KIB]]),
    'data in place of a hole': () => write(noise(64 * KIB, 98), 20 * MIB + 256 * KIB),
    'zeros in a hole': () => write(Buffer.alloc(8 * KIB), 28 * MIB),
    'a hole at the end': () => truncateSync(path, length + MIB),
    'data gone': () => punchHoles(path, [[30 * MIB, MIB]]),
  };
  for (const [how, act] of Object.entries(changes)) {
    act();
    const { image, tree } = await scene.backUp();
    assert.ok(tree.counts.bytesAdded <= 256 * KIB, `${how}: ${tree.counts.bytesAdded} bytes were added`);
    const { size } = statSync(path);
    assert.deepEqual(await holesIn(scene, image, 'sparse'), holesOf(path, size), how);
    await scene.assertHolds(image, snapshotOfTree(scene.source));
  }
});
