import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '../base/mod.ts';
import { EntryType } from '../format/mod.ts';
import { packName } from '../repository/mod.ts';
import { assertUntouched, damageChunk, fileOf, sceneOf } from './testing/restore-scene.ts';
import type { Item } from './testing/small-repository.ts';

test('a name that leads outside is refused, and the rest is restored', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/../outside/x': 'evil',
    '/a/../../outside/y': 'evil',
    '/b': 'good',
    '/./c': 'odd',
  });
  const summary = await scene.run(image);
  assertUntouched(scene);
  assert.equal(scene.read('b'), 'good');
  assert.ok(summary.filesFailed >= 3);
  assert.ok(scene.named().every((named) => named.startsWith('damaged ')));
});

test('a symlink of the image is never followed by what the image puts below it', async (context) => {
  const scene = await sceneOf(context);
  const { outside } = scene;
  const image = await scene.small.commit({
    '/a': { type: EntryType.symlink, target: outside },
    '/a/x': 'evil',
    '/a/y': 'evil',
    '/a/z': { type: EntryType.symlink, target: 'evil' },
  });
  for (let round = 0; round < 2; round++) {
    await scene.run(image);
    assertUntouched(scene);
    await scene.run(image, { delete: true });
    assertUntouched(scene);
  }
  assert.ok(scene.named().some((named) => named === 'target /a'));
});

test('a symlink that is in the target already is replaced, not followed', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/a/b/x': 'good', '/c': 'good', '/d/e': {} });
  mkdirSync(join(scene.target, 'd'), { recursive: true });
  symlinkSync(scene.outside, join(scene.target, 'a'));
  symlinkSync(join(scene.outside, 'x'), join(scene.target, 'c'));
  symlinkSync(scene.outside, join(scene.target, 'd/e'));
  await scene.run(image, { delete: true });
  assertUntouched(scene);
  assert.equal(scene.read('a/b/x'), 'good');
  assert.ok(lstatSync(join(scene.target, 'c')).isFile());
  assert.ok(lstatSync(join(scene.target, 'd/e')).isDirectory());
});

test('a file that is linked from outside of the target is not written through', async (context) => {
  const scene = await sceneOf(context);
  const blocks = ['aa', 'bb', 'cc', 'dd'];
  const grouped = await fileOf(scene, blocks, { linkGroup: '/grouped' });
  const image = await scene.small.commit({ '/short': 'short', '/long': blocks, '/grouped': grouped });
  mkdirSync(scene.target);
  for (const name of ['short', 'long', 'grouped'])
    linkSync(join(scene.outside, 'x'), join(scene.target, name));
  await scene.run(image);
  assertUntouched(scene);
  assert.deepEqual(
    [scene.read('short'), scene.read('long'), scene.read('grouped')],
    ['short', 'aabbccdd', 'aabbccdd'],
  );
});

test('a folder that is not empty gives way to a file only with --delete', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/f': 'file',
    '/l': { type: EntryType.symlink, target: 'x' },
    '/e': 'file',
  });
  for (const name of ['f', 'l', 'e']) mkdirSync(join(scene.target, name), { recursive: true });
  for (const name of ['f', 'l']) writeFileSync(join(scene.target, name, 'inside'), 'x');
  await scene.run(image);
  assert.deepEqual(scene.named().sort(), ['target /f', 'target /l']);
  assert.equal(scene.read('e'), 'file');
  await scene.run(image, { delete: true });
  assert.deepEqual(scene.named(), []);
  assert.equal(scene.read('f'), 'file');
  assert.equal(readlinkSync(join(scene.target, 'l')), 'x');
});

test('a damaged chunk costs its own files only, and leaves nothing of them', async (context) => {
  const scene = await sceneOf(context);
  const long = ['one', 'two', 'three', 'four', 'five'];
  const image = await scene.small.commit({
    '/good': 'good',
    '/bad': 'some bad bytes',
    '/twin': 'some bad bytes',
    '/long': [...long.slice(0, 3), 'some bad bytes', ...long],
  });
  damageChunk(scene, 'some bad bytes');
  const summary = await scene.run(image);
  assert.deepEqual(readdirSync(scene.target), ['good']);
  assert.deepEqual(scene.named().sort(), ['damaged /bad', 'damaged /long', 'damaged /twin']);
  assert.equal(summary.filesFailed, 3);
});

test('with --partial the sound ranges of a damaged file are kept under another name', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/long': ['1111', 'some bad bytes', '2222', '33', '44', '55'],
    '/short': ['1111', 'some bad bytes'],
    '/none': 'some bad bytes',
  });
  damageChunk(scene, 'some bad bytes');
  const summary = await scene.run(image, { partial: true, delete: true });
  assert.deepEqual(readdirSync(scene.target).sort(), ['long.partial', 'short.partial']);
  assert.equal(scene.read('long.partial'), `1111${'\0'.repeat(14)}2222334455`);
  assert.equal(scene.read('short.partial'), `1111${'\0'.repeat(14)}`);
  assert.deepEqual([summary.filesFailed, summary.filesPartial], [3, 2]);
});

test('a file of the user stays when what would replace it is damaged', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/x': 'some bad bytes' });
  damageChunk(scene, 'some bad bytes');
  mkdirSync(scene.target);
  writeFileSync(join(scene.target, 'x'), 'mine');
  await scene.run(image);
  assert.deepEqual(readdirSync(scene.target), ['x']);
  assert.equal(scene.read('x'), 'mine');
});

test('a pack that is gone is named for each of its files', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/a/x': 'x'.repeat(100),
    '/a/y': 'y'.repeat(100),
    '/a/link': { type: EntryType.symlink, target: 'x' },
  });
  const place = scene.small.repository.index.find(
    scene.small.repository.secrets.chunkId(Buffer.alloc(100, 'x')),
  )!;
  scene.small.store.objects.delete(packName(place.pack));
  await scene.run(image);
  assert.deepEqual(scene.named().sort(), ['object-missing /a/x', 'object-missing /a/y']);
  assert.deepEqual(readdirSync(join(scene.target, 'a')), ['link']);
});

test('a damaged node of the index costs what is below it, and is named', async (context) => {
  const scene = await sceneOf(context);
  const items: Record<ByteString, Item> = {};
  for (let i = 0; i < 2000; i++) items[`/f/${randomBytes(16).toString('hex')}`] = '';
  const image = await scene.small.commit(items);
  const { repository } = await scene.small.reopen();
  const root = await repository.frame(2, image.header.indexRoot);
  const place = repository.index.find(root.header.nodes[3]!)!;
  scene.small.store.objects.get(packName(place.pack))![place.offset + 150]! ^= 1;
  // Nodes beside the root came along with it.
  await scene.small.reopen();
  const summary = await scene.run(image);
  const restored = readdirSync(join(scene.target, 'f')).length;
  assert.ok(restored > 1000 && restored < 2000, `${restored} restored`);
  assert.equal(restored + summary.filesFailed, 2000);
  assert.deepEqual(
    scene.named().map((named) => named.split(' ')[0]),
    ['damaged'],
  );
});

test('holes of any length stay holes, and a length that no file can have fails alone', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/sparse': [2 ** 40, 'end'],
    '/absurd': [2 ** 52 - 1],
    '/x': 'x',
  });
  await scene.run(image);
  const { size, blocks } = statSync(join(scene.target, 'sparse'));
  assert.equal(size, 2 ** 40 + 3);
  assert.ok(blocks < 100);
  assert.equal(scene.read('x'), 'x');
  assert.ok(scene.named().every((named) => named.endsWith('/absurd')));
  await scene.small.reopen();
  await scene.run(image);
  assert.equal(scene.small.repository.frames.read.chunks, 0);
});

test('bytes that are no entry cost that entry, and are named', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/a/bad': { type: 9 as EntryType },
    '/a/good': 'good',
    '/a/longname': { type: EntryType.symlink, target: 'x'.repeat(60_000) },
  });
  const summary = await scene.run(image, { delete: true, verify: true });
  assert.deepEqual(readdirSync(join(scene.target, 'a')), ['good']);
  assert.deepEqual(scene.named().sort(), ['damaged /a/bad', 'io /a/longname']);
  assert.equal(summary.filesFailed, 2);
});
