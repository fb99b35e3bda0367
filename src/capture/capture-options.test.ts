import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { noise } from '../chunk/testing/noise.ts';
import { ENTRY_ANCESTOR } from '../format/mod.ts';
import type { Image } from '../repository/mod.ts';
import { CACHE_MARKER, Selection } from './select/mod.ts';
import { type BackUpOptions, CaptureScene, idOf } from './testing/capture-scene.ts';
import { snapshotOfTree } from './testing/snapshot.ts';

function writeAll(scene: CaptureScene, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = `${scene.source}/${name}`;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}

/** The names in an image below the source, in key order. */
async function namesIn(scene: CaptureScene, image: Image): Promise<string[]> {
  const names: string[] = [];
  for await (const { path } of scene.reader(image).walk('/'))
    if (path.startsWith(`${scene.source}/`)) names.push(path.slice(scene.source.length + 1));
  return names;
}

/** Everything in an image, but for which chunks the bytes of its files are in. */
async function readAll(scene: CaptureScene, image: Image): Promise<unknown> {
  return [await namesIn(scene, image), ...(await scene.snapshotOf(image))];
}

/** An image as it would be if it were the first. */
async function firstImage(scene: CaptureScene, options: BackUpOptions): Promise<Image> {
  const { last } = scene;
  const { image } = await scene.backUp({ ...options, base: undefined, stateFolder: undefined });
  scene.last = last;
  return image;
}

const ALL_SORTS: Readonly<Record<string, string | Buffer>> = {
  'kept.txt': 'kept',
  'left.tmp': 'l',
  'sub/left.tmp': 'l',
  'sub/kept.tmp': 'k',
  'PICTURE.Jpg': 'p',
  'cache/CACHEDIR.TAG': `${CACHE_MARKER.header}\n`,
  'cache/content': 'c',
  'cache/below/content': 'c',
  'no cache/CACHEDIR.TAG': 'something else',
  'no cache/content': 'c',
  'marked/.nobackup': '',
  'marked/content': 'm',
  'large.bin': 'x'.repeat(5000),
  'deep/a/b/target/c': 'd',
};

const EXCLUDES = new Selection({
  excludes: ['*.tmp', '!kept.tmp', '**/b/target'],
  iexcludes: ['*.JPG'],
  excludeCaches: true,
  excludeIfPresent: [{ name: '.nobackup' }],
  excludeLargerThan: 4096,
});

test('what the selection leaves out is not in the image', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, ALL_SORTS);
  const { image, failed } = await scene.backUp({ selection: EXCLUDES });
  assert.deepEqual(failed, []);
  assert.deepEqual(await namesIn(scene, image), [
    'cache',
    'deep',
    'kept.txt',
    'marked',
    'no cache',
    'sub',
    'cache/CACHEDIR.TAG',
    'deep/a',
    'deep/a/b',
    'marked/.nobackup',
    'no cache/CACHEDIR.TAG',
    'no cache/content',
    'sub/kept.tmp',
  ]);
});

test('another selection gives what it would have given at first, whatever the last image had', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, ALL_SORTS);
  for (let i = 0; i < 200; i++) writeAll(scene, { [`many/${i}.tmp`]: `${i}`, [`many/${i}.txt`]: `${i}` });
  const whole = await scene.backUp();
  const fewer = await scene.backUp({ selection: EXCLUDES });
  const first = await firstImage(scene, { selection: EXCLUDES });
  assert.deepEqual(await readAll(scene, fewer.image), await readAll(scene, first));
  assert.equal(fewer.tree.deleted, 210);
  assert.deepEqual(fewer.captured, [], 'what stays is not read again');
  const again = await scene.backUp();
  assert.deepEqual(await readAll(scene, again.image), await readAll(scene, whole.image));
  await scene.assertHolds(again.image, snapshotOfTree(scene.source));
});

test('several paths are one tree: what lies on the way to them has no attributes of its own', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, { 'a/1': '1', 'a/2': '2', 'b/c/3': '3', 'b/4': '4', z: 'z' });
  const paths = ['b/c', 'z', 'a'].map((name) => `${scene.source}/${name}`);
  const { image } = await scene.backUp({ paths });
  assert.deepEqual(await namesIn(scene, image), ['a', 'b', 'z', 'a/1', 'a/2', 'b/c', 'b/c/3']);
  assert.equal((await scene.entry(image, 'b'))!.flags, ENTRY_ANCESTOR);
  assert.equal((await scene.entry(image, 'b'))!.mtimeSeconds, 0);
  assert.equal((await scene.entry(image, 'b/c'))!.flags, 0);
  // Entries that come and go beside what is wanted change nothing.
  writeAll(scene, { 'b/5': '5', 'other/6': '6' });
  assert.equal(idOf((await scene.backUp({ paths })).image), idOf(image));
});

test('paths that change between backups give what they would have given at first', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, { 'a/1': '1', 'a/2': '2', 'b/c/3': '3', 'b/4': '4', z: 'z' });
  symlinkSync('b', scene.path('link'));
  for (const names of [['a'], [''], ['a', 'b/c'], ['b', 'z'], ['link/c', 'b/4'], ['']]) {
    const paths = names.map((name) => (name === '' ? scene.source : `${scene.source}/${name}`));
    const { image, failed } = await scene.backUp({ paths });
    assert.deepEqual(failed, []);
    const first = await firstImage(scene, { paths });
    assert.deepEqual(await readAll(scene, image), await readAll(scene, first), names.join());
  }
  await scene.assertHolds(scene.last!, snapshotOfTree(scene.source));
});

test('paths that are to be left out are told of when they are met, each time', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, { kept: 'k', 'x/repository/pack': 'p', 'x/key': 'secret', 'x/kept': 'k' });
  const leaveOut = ['x/repository', 'x/key', 'not there'].map((name) => `${scene.source}/${name}`);
  for (let turn = 0; turn < 2; turn++) {
    const { image, leftOut, failed } = await scene.backUp({ leaveOut });
    assert.deepEqual(failed, []);
    assert.deepEqual(leftOut.toSorted(), [leaveOut[1], leaveOut[0]]);
    assert.deepEqual(await namesIn(scene, image), ['kept', 'x', 'x/kept']);
  }
});

test('force reads every file, and stores none that is there', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, { short: noise(1000, 1), 'folder/other': noise(5000, 2), long: noise(2_000_000, 3) });
  const bytesRead = async (options: BackUpOptions) => {
    let sum = 0;
    const read = (bytes: number) => {
      sum += bytes;
    };
    const { tree, image } = await scene.backUp({ ...options, events: { read } });
    return { sum, chunks: tree.counts.chunksAdded, root: idOf(image) };
  };
  const first = await bytesRead({});
  assert.ok(first.sum >= 2_006_000 && first.chunks > 1);
  assert.deepEqual(await bytesRead({}), { sum: 0, chunks: 0, root: first.root });
  assert.deepEqual(await bytesRead({ force: true }), { ...first, chunks: 0 });
});

test('an older image may serve as the base, and the newest log is then of no use', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, { a: noise(3000, 1), b: noise(3000, 2), long: noise(9_000_000, 3) });
  const { image: older } = await scene.backUp();
  writeAll(scene, { b: noise(3000, 4) });
  rmSync(scene.path('long'));
  const { image: newer } = await scene.backUp();
  writeAll(scene, { long: noise(9_000_000, 3) });
  const byOlder = await scene.backUp({ base: older });
  assert.equal(byOlder.tree.usedTrackLog, false);
  assert.match(byOlder.notices.join(), /no track log of the last image/);
  assert.equal(byOlder.tree.counts.chunksAdded, 0);
  await scene.assertHolds(byOlder.image, snapshotOfTree(scene.source));
  assert.equal((await scene.backUp({ base: newer })).tree.usedTrackLog, false);
});

test('without an image of its own a dataset refers to the files of others', async (context) => {
  const scene = await CaptureScene.create(context);
  for (let i = 0; i < 40; i++) writeAll(scene, { [`files/${i}`]: noise(40_000, i) });
  const { image } = await scene.backUp();
  // Others beside them would make other chunks of them.
  for (let i = 0; i < 10; i++) writeAll(scene, { [`beside/${i}`]: noise(30_000, 100 + i) });
  const other: BackUpOptions = { base: undefined, stateFolder: undefined };
  const related = await scene.backUp({ ...other, related: [image] });
  assert.equal(related.tree.counts.bytesAdded, 300_000);
  await scene.assertHolds(related.image, snapshotOfTree(scene.source));
  const unrelated = await scene.backUp({ ...other, related: [] });
  assert.ok(unrelated.tree.counts.bytesAdded > 300_000);
  await scene.assertHolds(unrelated.image, snapshotOfTree(scene.source));
});

test('a related image that cannot be read costs space only', async (context) => {
  const scene = await CaptureScene.create(context);
  for (let i = 0; i < 40; i++) writeAll(scene, { [`files/${i}`]: noise(40_000, i) });
  const { image } = await scene.backUp();
  for (const name of [...scene.store.objects.keys()])
    if (/^(packs|index)\//.test(name)) scene.store.objects.delete(name);
  await scene.reopen();
  const taken = await scene.backUp({ base: undefined, stateFolder: undefined, related: [image] });
  assert.deepEqual(taken.failed, []);
  await scene.assertHolds(taken.image, snapshotOfTree(scene.source));
});

test('with no place for a log none is written, and the next backup reads everything', async (context) => {
  const scene = await CaptureScene.create(context);
  writeAll(scene, { a: noise(3000, 1), long: noise(9_000_000, 3) });
  const first = await scene.backUp({ stateFolder: undefined });
  assert.deepEqual(first.notices, []);
  const second = await scene.backUp({ stateFolder: undefined });
  assert.equal(idOf(second.image), idOf(first.image));
  assert.equal(second.tree.counts.chunksAdded, 0);
  assert.equal(second.captured.length, 2);
  assert.throws(() => readFileSync(scene.state), { code: 'ENOENT' });
});
