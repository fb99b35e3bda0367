import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ByteString, isEverfullError } from '../base/mod.ts';
import { ENTRY_ANCESTOR, type Entry, EntryType } from '../format/mod.ts';
import { type Image, packName } from '../repository/mod.ts';
import type { RestoreOptions, RestoreSummary } from '../restore/mod.ts';
import { restore } from './restore.ts';
import { type Item, SmallRepository } from './testing/small-repository.ts';

/** The time of every entry that {@link entryOf} makes. */
const MTIME = 1_700_000_000.123;

interface Scene {
  readonly small: SmallRepository;
  /** Holds `target`, and `outside` with a file that nothing may touch. */
  readonly folder: string;
  readonly target: string;
  readonly outside: string;
  run(image: Image, options?: Partial<RestoreOptions>, signal?: AbortSignal): Promise<RestoreSummary>;
  read(path: string): string;
  /** The codes and items of what was named since the last time. */
  named(): string[];
}

async function sceneOf(context: TestContext): Promise<Scene> {
  const small = await SmallRepository.create();
  const folder = mkdtempSync(join(tmpdir(), 'everfull-restore-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const target = join(folder, 'target');
  const outside = join(folder, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'x'), 'untouched');
  return {
    small,
    folder,
    target,
    outside,
    run: (image, options = {}, signal = new AbortController().signal) =>
      restore(small.context({ signal }), {
        image,
        path: undefined,
        target,
        select: () => ({ selected: true, descend: true }),
        overwrite: 'always',
        delete: false,
        strip: 0,
        partial: false,
        verify: false,
        dryRun: false,
        ...options,
      }),
    read: (path) => readFileSync(join(target, path), 'latin1'),
    named: () =>
      small.problems
        .splice(0)
        .map(({ item, error }) => `${isEverfullError(error) ? error.code : '?'} ${item}`),
  };
}

function assertUntouched({ outside }: Scene): void {
  assert.deepEqual(readdirSync(outside), ['x']);
  assert.equal(readFileSync(join(outside, 'x'), 'utf8'), 'untouched');
}

/** Changes one byte in the middle of the stored chunk of `plain`. */
function damageChunk({ small }: Scene, plain: string | Buffer): void {
  const { index, secrets } = small.repository;
  const place = index.find(secrets.chunkId(Buffer.from(plain)))!;
  const bytes = small.store.objects.get(packName(place.pack))!;
  bytes[place.offset + Math.floor(place.length / 2)]! ^= 1;
}

/** A file of these blocks, one chunk each, with other attributes than those of a file given as its text. */
async function fileOf(
  { small }: Scene,
  blocks: readonly string[],
  changes: Partial<Entry>,
): Promise<Partial<Entry>> {
  await small.commit({ '/stored': blocks }, { dataset: 'stored' });
  const pieces = blocks.map((text) => ({
    length: text.length,
    chunk: small.repository.secrets.chunkId(Buffer.from(text)),
    offset: 0,
  }));
  return {
    type: EntryType.file,
    mode: 0o644,
    fingerprint: Buffer.alloc(32),
    content: { pieces },
    ...changes,
  };
}

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
  assert.equal(scene.small.repository.framesRead.chunks, 0);
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
  assert.deepEqual([filesRestored, bytesRestored, scene.small.repository.framesRead.chunks], [1, 5000, 1]);
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
  assert.equal(scene.small.repository.framesRead.chunks, 0);
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

test('what a killed restore left under a temporary name is cleared away', async (context) => {
  const scene = await sceneOf(context);
  const image = await scene.small.commit({ '/x': 'image' });
  mkdirSync(scene.target);
  writeFileSync(join(scene.target, 'x'), 'there');
  const { temporaryName } = await import('../restore/workbench.ts');
  writeFileSync(join(scene.target, temporaryName('x')), 'half of');
  await scene.run(image);
  assert.deepEqual(readdirSync(scene.target), ['x']);
  assert.equal(scene.read('x'), 'image');
});
