import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '../base/mod.ts';
import { ENTRY_ANCESTOR, EntryType } from '../format/mod.ts';
import type { RestoreOptions } from '../restore/mod.ts';
import { assertUntouched, fileOf, MTIME, sceneOf } from './testing/restore-scene.ts';
import type { Item } from './testing/small-repository.ts';

test('a restore puts each path below the target, with its attributes', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/a/text': 'some text',
    '/a/empty': '',
    '/a/link': { type: EntryType.symlink, target: 'text' },
    '/a/pipe': { type: EntryType.fifo, mode: 0o640 },
    '/b': { mode: 0o751 },
  });
  const summary = await scene.run(image);
  assert.deepEqual(scene.named(), []);
  assert.equal(scene.read('a/text'), 'some text');
  assert.equal(scene.read('a/empty'), '');
  assert.equal(readlinkSync(join(scene.target, 'a/link')), 'text');
  assert.ok(lstatSync(join(scene.target, 'a/pipe')).isFIFO());
  assert.equal(statSync(join(scene.target, 'b')).mode & 0o7777, 0o751);
  for (const path of ['a', 'a/text', 'a/empty', 'a/pipe', 'b']) {
    assert.equal(Math.floor(lstatSync(join(scene.target, path)).mtimeMs), Math.floor(MTIME * 1000), path);
  }
  assert.deepEqual(
    [summary.filesFailed, summary.totalFiles, summary.filesRestored, summary.bytesRestored],
    [0, 7, 7, 9],
  );
});

test('a second restore fetches and writes nothing', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/a/text': 'some text',
    '/a/long': ['one', 100_000, 'two', 'three', 'four', 'five'],
  });
  await scene.run(image);
  await scene.small.reopen();
  const { filesRestored, filesSkipped, bytesRestored } = await scene.run(image);
  assert.deepEqual([filesRestored, filesSkipped, bytesRestored], [0, 4, 0]);
  assert.equal(scene.small.repository.frames.read.chunks, 0);
});

test('of a file that differs in part only the differing chunks are fetched and written, in place', async (context) => {
  const scene = await sceneOf(context);
  const blocks = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => letter.repeat(5000));
  const image = await scene.small.commit({ '/long': [...blocks.slice(0, 3), 8192, ...blocks.slice(3)] });
  await scene.run(image);
  const path = join(scene.target, 'long');
  const whole = readFileSync(path);
  const { ino } = statSync(path);
  const changed = Buffer.from(whole);
  changed.write('x', 5001);
  changed.write('not a hole', 16_000);
  writeFileSync(path, changed);
  await scene.small.reopen();
  const { bytesRestored, filesRestored } = await scene.run(image);
  assert.deepEqual(readFileSync(path), whole);
  assert.equal(statSync(path).ino, ino);
  assert.deepEqual([filesRestored, bytesRestored, scene.small.repository.frames.read.chunks], [1, 5000, 1]);
});

test('IMAGE:PATH puts the contents of a folder into the target, which takes its attributes', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/a/b': { mode: 0o711 }, '/a/b/x': 'x', '/a/y': 'y' });
  await scene.run(image, { path: '/a/b' });
  assert.deepEqual(readdirSync(scene.target), ['x']);
  assert.equal(statSync(scene.target).mode & 0o7777, 0o711);
  assert.equal(Math.floor(statSync(scene.target).mtimeMs), Math.floor(MTIME * 1000));
});

test('IMAGE:PATH puts a single file into the target', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/a/b/x': 'x', '/a/b/y': 'y' });
  await scene.run(image, { path: '/a/b/x' });
  assert.deepEqual(readdirSync(scene.target), ['x']);
  assert.equal(scene.read('x'), 'x');
});

test('a path that the image lacks and a target that is a file are refused', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/a/x': 'x' });
  await assert.rejects(scene.run(image, { path: '/b' }), { code: 'path-missing' });
  await assert.rejects(scene.run(image, { target: join(scene.outside, 'x') }), { code: 'target' });
  await assert.rejects(scene.run(image, { target: join(scene.outside, 'x', 'y') }), { code: 'target' });
  assertUntouched(scene);
});

test('stripping drops leading folders, and what has no more than those', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/a/b/x': 'x', '/a/y': 'y', '/z': 'z' });
  await scene.run(image, { strip: 1 });
  assert.deepEqual(readdirSync(scene.target, { recursive: true }).sort(), ['b', 'b/x', 'y']);
  await assert.rejects(scene.run(image, { strip: 1, delete: true }), { code: 'usage' });
});

test('only what is selected is restored, with the folders on the way', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/a/b/x.txt': 'x',
    '/a/b/y': 'y',
    '/a/c/z': 'z',
    '/a': { mode: 0o750 },
  });
  await scene.run(image, { select: (path) => ({ selected: path.endsWith('.txt'), descend: true }) });
  assert.deepEqual(readdirSync(scene.target, { recursive: true }).sort(), ['a', 'a/b', 'a/b/x.txt']);
  assert.equal(statSync(join(scene.target, 'a')).mode & 0o7777, 0o750);
});

test('hard links are linked, also when the first of them is not selected', async (context) => {
  const scene = await sceneOf(context);
  const { small } = scene;
  const linked = await fileOf(scene, ['together'], { linkGroup: '/a' });
  const symlink = { type: EntryType.symlink, target: 'x', linkGroup: '/l' };
  const image = await small.commit({
    '/a': linked,
    '/b/c': linked,
    '/b/d': linked,
    '/l': symlink,
    '/m': symlink,
  });
  const inode = (path: string) => lstatSync(join(scene.target, path)).ino;
  await scene.run(image, { select: (path) => ({ selected: path !== '/a', descend: true }) });
  assert.equal(inode('b/c'), inode('b/d'));
  assert.equal(inode('l'), inode('m'));
  assert.ok(!existsSync(join(scene.target, 'a')));
  await scene.run(image);
  assert.equal(new Set(['a', 'b/c', 'b/d'].map(inode)).size, 1);
  assert.deepEqual(scene.named(), []);
});

test('a target that is a symlink to a folder is used', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/x': 'x' });
  mkdirSync(scene.target);
  symlinkSync('target', join(scene.folder, 'link'));
  await scene.run(image, { target: join(scene.folder, 'link') });
  assert.equal(scene.read('x'), 'x');
});

test('the overwrite policy decides about files that are there', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/a/x': 'image' });
  const path = join(scene.target, 'a/x');
  const after = async (content: string, mtime: number, overwrite: RestoreOptions['overwrite']) => {
    rmSync(scene.target, { recursive: true, force: true });
    mkdirSync(join(scene.target, 'a'), { recursive: true });
    writeFileSync(path, content);
    utimesSync(path, mtime, mtime);
    await scene.run(image, { overwrite });
    return readFileSync(path, 'utf8');
  };
  await scene.run(image);
  const same = statSync(path).mtimeMs / 1000;
  assert.equal(await after('there', same, 'always'), 'image');
  assert.equal(await after('there', MTIME - 5, 'if-changed'), 'image');
  assert.equal(await after('there', MTIME - 5, 'if-newer'), 'image');
  assert.equal(await after('there', MTIME + 5, 'if-newer'), 'there');
  assert.equal(await after('there', MTIME - 5, 'never'), 'there');
});

test('if-changed takes equal size and time for equal content', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/x': await fileOf(scene, ['image'], { mtimeNanoseconds: 0 }) });
  mkdirSync(scene.target);
  writeFileSync(join(scene.target, 'x'), 'there');
  utimesSync(join(scene.target, 'x'), 1_700_000_000, 1_700_000_000);
  await scene.run(image, { overwrite: 'if-changed' });
  assert.equal(scene.read('x'), 'there');
  await scene.run(image, { overwrite: 'always' });
  assert.equal(scene.read('x'), 'image');
});

test('--delete removes what the image lacks, in folders that it holds whole and within the selection', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/': { flags: ENTRY_ANCESTOR },
    '/home': { flags: ENTRY_ANCESTOR },
    '/home/ada/kept': 'kept',
    '/home/ada/empty': {},
  });
  const at = (path: string) => join(scene.target, path);
  mkdirSync(at('home/ada/old/deep'), { recursive: true });
  mkdirSync(at('home/ada/empty'));
  for (const path of ['beside', 'home/bob', 'home/ada/old/deep/x', 'home/ada/spared', 'home/ada/empty/x'])
    writeFileSync(at(path), path);
  symlinkSync(scene.outside, at('home/ada/away'));
  const summary = await scene.run(image, {
    delete: true,
    select: (path) => ({ selected: !path.endsWith('spared'), descend: true }),
  });
  assertUntouched(scene);
  assert.deepEqual(readdirSync(scene.target, { recursive: true }).sort(), [
    'beside',
    'home',
    'home/ada',
    'home/ada/empty',
    'home/ada/kept',
    'home/ada/spared',
    'home/bob',
  ]);
  assert.equal(summary.filesDeleted, 5);
  assert.equal(Math.floor(statSync(at('home/ada')).mtimeMs), Math.floor(MTIME * 1000));
});

test('a dry run says what would be done and does nothing', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/a/x': 'x',
    '/a/l': { type: EntryType.symlink, target: 'x' },
    '/a/long': ['1', '2', '3', '4', '5', '6'],
  });
  const said: string[] = [];
  const options = {
    dryRun: true,
    delete: true,
    onItem: (action: string, path: string) => said.push(`${action} ${path}`),
  };
  await scene.run(image, options);
  assert.ok(!existsSync(scene.target));
  assert.ok(said.includes('restored /a/x') && said.includes('restored /a/l') && said.includes('restored /a'));
  await scene.run(image);
  writeFileSync(join(scene.target, 'a/extra'), '');
  writeFileSync(join(scene.target, 'a/long'), '1x3456');
  const before = lstatSync(join(scene.target, 'a')).ctimeMs;
  said.length = 0;
  await scene.run(image, options);
  assert.deepEqual(
    said.filter((line) => !line.startsWith('unchanged')),
    ['updated /a/long', 'deleted /a/extra'],
  );
  assert.equal(scene.read('a/long'), '1x3456');
  assert.equal(lstatSync(join(scene.target, 'a')).ctimeMs, before);
});

test('--verify reads everything back and names what differs', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({
    '/a/good': 'good',
    '/a/bad': 'abc',
    '/a/long': ['1', '2', '3', '4', '5', '6'],
    '/a/cut': 'cut',
  });
  const spoil: RestoreOptions['onItem'] = (_, path) => {
    if (path !== '/a') return;
    writeFileSync(join(scene.target, 'a/bad'), 'abd');
    writeFileSync(join(scene.target, 'a/long'), '123x56');
    writeFileSync(join(scene.target, 'a/cut'), '');
  };
  const whole = await scene.run(image, { verify: true });
  assert.deepEqual([whole.filesVerified, whole.filesDiffering], [4, 0]);
  rmSync(scene.target, { recursive: true });
  const spoilt = await scene.run(image, { verify: true, onItem: spoil });
  assert.deepEqual([spoilt.filesVerified, spoilt.filesDiffering], [4, 3]);
  assert.deepEqual(scene.named().sort(), ['io /a/bad', 'io /a/cut', 'io /a/long']);
});

test('an interrupted restore rejects, and the next one goes on with what is there', async (context) => {
  const scene = await sceneOf(context);
  const items: Record<ByteString, Item> = {};
  for (let i = 0; i < 3000; i++) items[`/f/${i}`] = `content ${i}`;
  const image = await scene.small.commit(items);
  const abort = new AbortController();
  await assert.rejects(scene.run(image, { onItem: () => abort.abort() }, abort.signal), {
    code: 'interrupted',
  });
  assert.deepEqual(scene.named(), []);
  const { filesSkipped, filesRestored } = await scene.run(image);
  assert.ok(filesSkipped > 0);
  assert.equal(filesSkipped + filesRestored, 3002);
  assert.equal(scene.read('f/2999'), 'content 2999');
});
