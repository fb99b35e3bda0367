import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { bytesOf } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { pathOfKey, TRACK_BEGINS_LEAF, TRACK_ENDS_LEAF } from '../format/mod.ts';
import { type BackUpOptions, CaptureScene, idOf } from './testing/capture-scene.ts';
import { makeTree, mutate } from './testing/random-tree.ts';
import { snapshotOfTree } from './testing/snapshot.ts';
import { datasetFolder, TrackLog } from './track-log.ts';

/** Gives the root of the tree in a repository that is empty but for the secrets, again and again. */
function emptyAgain(scene: CaptureScene): (options: BackUpOptions) => Promise<string> {
  const empty = new Map(scene.store.objects);
  return async (options) => {
    scene.store.objects.clear();
    for (const [name, bytes] of empty) scene.store.objects.set(name, bytes);
    rmSync(scene.state, { recursive: true, force: true });
    await scene.reopen();
    return idOf((await scene.backUp({ base: undefined, ...options })).image);
  };
}

test('a tree backed up into an empty repository with the same secrets gives the same root, however many work', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  const rootOf = emptyAgain(scene);
  const roots = new Set<string>();
  for (const threads of [1, 2, 4, 2])
    for (const options of [{ stateFolder: undefined }, { force: true }])
      roots.add(await rootOf({ threads, ...options }));
  assert.equal(roots.size, 1);
  await scene.assertHolds(scene.last!, snapshotOfTree(scene.source));
});

test('a tree gives the same root in whatever order it was made, by whatever inodes', async (context) => {
  const scene = await CaptureScene.create(context);
  const makes: (() => void)[] = [];
  const at = (name: string) => bytesOf(`${scene.source}/${name}`);
  const make = (name: string, act: (path: Buffer) => void) =>
    makes.push(() => {
      mkdirSync(dirname(`${scene.source}/${name}`), { recursive: true });
      act(at(name));
    });
  // Among them many duplicates, and names of one inode: the first in key order counts, not the oldest.
  for (let i = 0; i < 120; i++)
    make(`d${i % 5}/f${(i * 37) % 120}`, (path) => writeFileSync(path, noise((i % 11) * 7000, i % 11)));
  for (const name of ['z/long', 'a/long', 'm'])
    make(name, (path) => writeFileSync(path, noise(1_500_000, 3)));
  for (const name of ['link 1', 'link 2']) make(name, (path) => symlinkSync('d0', path));
  for (let i = 0; i < 3; i++) make(`empty ${i}/folder`, (path) => mkdirSync(path));
  const linked = ['b/second', 'a/third', 'y', 'c'];
  const rootOf = emptyAgain(scene);
  const roots = new Set<string>();
  const inodes = new Set<string>();
  for (const stride of [1, 7, makes.length - 1]) {
    rmSync(scene.source, { recursive: true });
    mkdirSync(scene.source);
    for (let i = 0, next = 0; i < makes.length; i++, next = (next + stride) % makes.length) makes[next]();
    const names = stride === 7 ? linked.toReversed() : linked;
    for (const name of names) mkdirSync(dirname(`${scene.source}/${name}`), { recursive: true });
    writeFileSync(at(names[0]), 'linked');
    for (const name of names.slice(1)) linkSync(at(names[0]), at(name));
    const all = readdirSync(scene.source, { recursive: true, encoding: 'latin1' });
    for (const name of [...all, '']) lutimesSync(at(name), 1e9, 1e9 + 0.5);
    roots.add(await rootOf({}));
    inodes.add(readFileSync(join(datasetFolder(scene.state, scene.dataset), 'head')).toString('hex'));
  }
  assert.equal(roots.size, 1);
  assert.equal(inodes.size, 3, 'the track logs differ');
  await scene.assertHolds(scene.last!, snapshotOfTree(scene.source));
});

test('a damaged, truncated or emptied track log costs time only', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  const { image } = await scene.backUp();
  const folder = datasetFolder(scene.state, scene.dataset);
  const damages: ((path: string) => void)[] = [
    (path) => truncateSync(path, 10),
    (path) => writeFileSync(path, ''),
    (path) => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] ^= 1;
      writeFileSync(path, bytes);
    },
  ];
  for (const damage of damages) {
    for (const file of readdirSync(folder, { withFileTypes: true })) {
      if (!file.isFile()) continue;
      damage(join(folder, file.name));
      const again = await scene.backUp();
      assert.equal(idOf(again.image), idOf(image), file.name);
      assert.equal(again.tree.counts.chunksAdded, 0);
      assert.equal(again.notices.length, 1, again.notices.join());
      assert.deepEqual((await scene.backUp()).notices, []);
    }
  }
});

test('a lost track log, or one of an older image, costs time only', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  await scene.backUp();
  const older = join(scene.folder, 'older');
  cpSync(scene.state, older, { recursive: true });
  mutate(scene.source, { do: 'write', path: 'd1/f1', size: 5000, seed: 77 });
  mutate(scene.source, { do: 'patch', path: 'd2/long', at: 300_000, seed: 1 });
  mutate(scene.source, { do: 'remove', path: 'd3' });
  const { image } = await scene.backUp();
  for (const log of [undefined, older]) {
    rmSync(scene.state, { recursive: true });
    if (log !== undefined) cpSync(log, scene.state, { recursive: true });
    const again = await scene.backUp();
    assert.equal(idOf(again.image), idOf(image));
    assert.deepEqual(again.tree.counts, { bytesAdded: 0, bytesAddedStored: 0, chunksAdded: 0 });
    assert.equal(again.tree.usedTrackLog, false);
    assert.match(again.notices.join('\n'), /no track log of the last image/);
    assert.deepEqual((await scene.backUp()).captured, [], 'the next one has a log again');
  }
  await scene.assertHolds(scene.last!, snapshotOfTree(scene.source));
});

test('of a track log with damage in its middle the sound part serves, and no change is missed', async (context) => {
  const scene = await CaptureScene.create(context);
  const count = 4000;
  const names = Array.from({ length: count }, (_, i) => `d${Math.floor(i / 1000)}/${1000 + (i % 1000)}`);
  for (const name of names) mutate(scene.source, { do: 'write', path: name, size: 1, seed: 1 });
  await scene.backUp();
  for (const name of [names[5], names[count - 5]]) {
    mutate(scene.source, { do: 'write', path: name, size: 2, seed: 2 });
    chmodSync(scene.path(names[count >> 1]), name === names[5] ? 0o600 : 0o640);
    const folder = datasetFolder(scene.state, scene.dataset);
    const file = join(folder, readdirSync(folder).find((one) => /^[0-9a-f]{32}$/.test(one))!);
    const bytes = readFileSync(file);
    assert.ok(bytes.length > 3 * 256 * 1024);
    bytes[Math.floor(bytes.length * 0.4)] ^= 4;
    writeFileSync(file, bytes);
    const { image, captured, notices, tree } = await scene.backUp();
    assert.match(notices.join('\n'), /track log was damaged/);
    assert.ok(captured.length > count / 3 && captured.length < (count * 9) / 10, `${captured.length}`);
    assert.ok(captured.includes(name) && captured.includes(names[count >> 1]));
    assert.ok(tree.counts.chunksAdded <= 1);
    await scene.assertHolds(image, snapshotOfTree(scene.source));
    const forced = await scene.backUp({ force: true });
    assert.equal(idOf(forced.image), idOf(image));
  }
});

test('an index is the same whether its leaves are taken over or made anew, wherever an entry comes or goes', async (context) => {
  const scene = await CaptureScene.create(context);
  for (let i = 100; i < 700; i++)
    mutate(scene.source, { do: 'write', path: `d${i % 2}/${i}`, size: i % 3, seed: 1 });
  await scene.backUp();
  for (const [flag, change] of [
    [TRACK_ENDS_LEAF, 'remove'],
    [TRACK_BEGINS_LEAF, 'remove'],
    [TRACK_ENDS_LEAF, 'add'],
    [TRACK_BEGINS_LEAF, 'add'],
  ] as const) {
    const path = nameWith(scene, flag);
    if (change === 'remove') mutate(scene.source, { do: 'remove', path });
    else mutate(scene.source, { do: 'write', path: `${path}!`, size: 1, seed: 1 });
    const { image, unmodified } = await scene.backUp();
    assert.ok(unmodified > 590, 'most is taken over');
    const forced = await scene.backUp({ force: true });
    assert.equal(idOf(image), idOf(forced.image), `${change} at ${path}`);
  }
  await scene.assertHolds(scene.last!, snapshotOfTree(scene.source));
});

/** The name of a file in the middle of the track log whose record has a flag. */
function nameWith(scene: CaptureScene, flag: number): string {
  const log = TrackLog.open(datasetFolder(scene.state, scene.dataset))!;
  const names: string[] = [];
  for (let record = log.next(); record !== undefined; record = log.next())
    if (record.flags & flag) names.push(pathOfKey(record.key).slice(scene.source.length + 1));
  log.close();
  assert.ok(names.length > 4, 'there are several leaves');
  return names[names.length >> 1];
}
