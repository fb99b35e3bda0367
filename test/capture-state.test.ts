import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { byteStringFromText, hexOf } from '../src/base/mod.ts';
import { openFolderStore } from '../src/store/mod.ts';
import { LivingTree, type TakeOptions } from './testing/living-tree.ts';
import { writeSparse } from './testing/odd-tree.ts';
import { newRepository, openRepository, proseOf } from './testing/repository-fixture.ts';

const MIB = 1024 * 1024;

/** Enough files to fill several shared chunks, with duplicates, long files, holes and links. */
function fill(tree: LivingTree, { folders = 2 } = {}): void {
  for (let folder = 0; folder < folders; folder++) {
    mkdirSync(tree.path(`${folder}`));
    for (let file = 0; file < 60; file++) {
      const isCopy = file % 7 === 0;
      const content = proseOf(isCopy ? file : folder * 100 + file, 200 + ((file * 7919) % 40_000));
      writeFileSync(tree.path(`${folder}/${file}`), content);
    }
    symlinkSync(`${folder}`, tree.path(`link ${folder}`));
    linkSync(tree.path(`${folder}/1`), tree.path(`hard ${folder}`));
  }
  writeFileSync(tree.path('long'), randomBytes(10 * MIB));
  writeFileSync(tree.path('0/long too'), randomBytes(3 * MIB));
  copyFileSync(tree.path('0/long too'), tree.path('1/copy'));
  writeSparse(tree.path('sparse'), 20 * MIB, [[5 * MIB, MIB]]);
}

/** Overwrites bytes of a long file at several places, so that it is stored as slices of older chunks. */
function patch(path: string, byte: number): void {
  const bytes = readFileSync(path);
  for (let at = 100_000; at < bytes.length; at += 1_700_000) bytes.fill(byte, at, at + 50);
  writeFileSync(path, bytes);
}

async function rootOf(tree: LivingTree, options?: TakeOptions): Promise<string> {
  return hexOf((await tree.take(options)).image.header.indexRoot);
}

test('one tree has one index root, whatever the threads and whichever the empty repository', async (context) => {
  const tree = await LivingTree.make(context);
  fill(tree, { folders: 8 });
  const folder = mkdtempSync(join(tmpdir(), 'everfull-roots-'));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(`${folder}/empty`);
  await newRepository(await openFolderStore(byteStringFromText(`${folder}/empty`)));
  const roots: string[] = [];
  for (const readConcurrency of [1, 4, 4]) {
    const copy = `${folder}/${roots.length}`;
    cpSync(`${folder}/empty`, copy, { recursive: true });
    roots.push(
      await rootOf(tree, { repository: await openRepository(copy), stateFolder: undefined, readConcurrency }),
    );
  }
  assert.deepEqual(roots, new Array(3).fill(roots[0]));
});

test('tiny files share chunks, however many there are', async (context) => {
  const tree = await LivingTree.make(context);
  for (let i = 0; i < 17_000; i++) writeFileSync(tree.path(`${i}`), `${i}`);
  const { summary } = await tree.take();
  assert.ok(summary.dataBlobs <= 2, `${summary.dataBlobs} chunks`);
});

test('an unchanged tree has the root of the last image, by the log, read by force, and without the log', async (context) => {
  const tree = await LivingTree.make(context);
  fill(tree);
  await tree.take();
  patch(tree.path('long'), 1);
  const last = await tree.take();
  const root = hexOf(last.image.header.indexRoot);
  const ways: Readonly<Record<string, TakeOptions>> = {
    'by the log': {},
    'by force': { force: true },
    'without the log': { stateFolder: join(tree.folder, 'another') },
    'without a place for it': { stateFolder: undefined },
  };
  for (const [way, options] of Object.entries(ways)) {
    const taken = await tree.take(options);
    assert.equal(hexOf(taken.image.header.indexRoot), root, way);
    assert.equal(taken.summary.dataAdded, 0, `${way}: nothing is stored again`);
  }
  await tree.assertHas((await tree.take()).image);
});

/** Every file below a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

const DAMAGES: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  'flipped near its start': (bytes) => flipped(bytes, 3),
  'flipped in the middle': (bytes) => flipped(bytes, bytes.length >> 1),
  'flipped at its end': (bytes) => flipped(bytes, bytes.length - 1),
  truncated: (bytes) => bytes.subarray(0, bytes.length - 5),
  emptied: () => Buffer.alloc(0),
};

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 0x10;
  return copy;
}

test('a damaged track log costs time only', async (context) => {
  const tree = await LivingTree.make(context);
  fill(tree);
  await tree.take();
  patch(tree.path('long'), 1);
  await tree.take();
  const kept = join(tree.folder, 'kept');
  cpSync(tree.state, kept, { recursive: true });
  const files = filesIn(kept).map((path) => path.slice(kept.length + 1));
  assert.ok(files.some((file) => file.endsWith('/head')));
  assert.ok(files.some((file) => file.includes('/segments/')));
  let count = 0;
  for (const file of files) {
    for (const [how, damage] of Object.entries(DAMAGES)) {
      const state = join(tree.folder, `state ${count++}`);
      cpSync(kept, state, { recursive: true });
      writeFileSync(join(state, file), damage(readFileSync(join(kept, file))));
      const { summary } = await tree.take({ stateFolder: state, skipIfUnchanged: true });
      assert.equal(summary.imageId, undefined, `${file} ${how}: another root`);
      assert.equal(summary.dataAdded, 0, `${file} ${how}: nothing is stored again`);
    }
  }
});

test('a dry run leaves repository and log as they are', async (context) => {
  const tree = await LivingTree.make(context);
  fill(tree);
  await tree.take();
  patch(tree.path('long'), 2);
  writeFileSync(tree.path('new'), 'new');
  const state = () => filesIn(tree.state).map((path) => `${path} ${statSync(path).mtimeMs}`);
  const objects = async () => {
    const names: string[] = [];
    for await (const { name, size } of tree.repository.store.list('')) names.push(`${name} ${size}`);
    return names;
  };
  const before = [state(), await objects()];
  const { summary, captured } = await tree.take({ dryRun: true });
  assert.deepEqual([state(), await objects()], before);
  assert.deepEqual(captured, ['long', 'new']);
  assert.ok(summary.dataAdded > 0);
  const real = await tree.take();
  assert.equal(real.summary.dataAdded, summary.dataAdded, 'what was foretold');
  await tree.assertHas(real.image);
});

test('an image that is not made for want of changes leaves the log good', async (context) => {
  const tree = await LivingTree.make(context);
  fill(tree);
  const first = await tree.take();
  assert.equal((await tree.take({ skipIfUnchanged: true })).summary.imageId, undefined);
  chmodSync(tree.path('1/3'), 0o600);
  const second = await tree.take({ skipIfUnchanged: true });
  assert.notEqual(second.summary.imageId, undefined);
  assert.deepEqual(second.captured, ['1/3']);
  assert.equal((await tree.take({ skipIfUnchanged: true })).summary.imageId, undefined);

  const byOther = await tree.take({ parent: first.image });
  assert.equal(byOther.summary.parentId, hexOf(first.image.id));
  await tree.assertHas(byOther.image);
});
