import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { dryRunOf, type Image, WriteSession } from '../repository/mod.ts';
import { CaptureScene, idOf, LATER, openDescriptors } from './testing/capture-scene.ts';
import { makeTree, mutate, mutation } from './testing/random-tree.ts';
import { type Snapshot, snapshotOfTree } from './testing/snapshot.ts';
import { datasetFolder } from './track-log.ts';

/** How the next backup is made, and what happened to the local state before it. */
const manner = fc.record({
  mutations: fc.array(mutation, { maxLength: 12 }),
  threads: fc.constantFrom(1, 2, 3),
  force: fc.boolean(),
  state: fc.constantFrom('kept', 'kept', 'kept', 'lost', 'none'),
  hasBase: fc.constantFrom(true, true, true, false),
  isReopened: fc.boolean(),
});

test('any sequence of changes and backups restores each image exactly', async (context) => {
  const scene = await CaptureScene.create(context);
  await fc.assert(
    fc.asyncProperty(fc.array(manner, { minLength: 2, maxLength: 5 }), async (backups) => {
      rmSync(scene.source, { recursive: true, force: true });
      mkdirSync(scene.source);
      scene.last = undefined;
      const made: { image: Image; expected: Snapshot }[] = [];
      const before = openDescriptors();
      for (const { mutations, threads, force, state, hasBase, isReopened } of backups) {
        for (const one of mutations) mutate(scene.source, one);
        if (state === 'lost') rmSync(scene.state, { recursive: true, force: true });
        if (isReopened) await scene.reopen();
        const expected = snapshotOfTree(scene.source);
        const { image, failed } = await scene.backUp({
          threads,
          force,
          ...(state === 'none' ? { stateFolder: undefined } : {}),
          ...(hasBase ? {} : { base: undefined }),
        });
        assert.deepEqual(failed, []);
        made.push({ image, expected });
      }
      assert.equal(openDescriptors(), before, 'no descriptor is left open');
      await scene.reopen();
      for (const { image, expected } of made) await scene.assertHolds(image, expected);
      // Nothing changed since: the same root, by whatever way.
      const { image, expected } = made.at(-1)!;
      for (const options of [{}, { force: true }, { stateFolder: undefined }]) {
        const again = await scene.backUp(options);
        assert.equal(idOf(again.image), idOf(image), JSON.stringify(options));
      }
      await scene.assertHolds(scene.last!, expected);
    }),
    { numRuns: 5, interruptAfterTimeLimit: 12_000 },
  );
});

test('what did not change is taken over by leaves, and gives what reading everything gives', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  // The folders above are anybody's: what others do there changes them at any time.
  const ofTree = (entries: readonly string[]) =>
    entries
      .filter((entry) => entry.includes(`${scene.source}/`))
      .map((entry) => entry.replace(`${scene.source}/`, ''));
  const first = await scene.backUp();
  assert.ok(first.entries.every((entry) => entry.startsWith('new ')));
  const second = await scene.backUp();
  assert.deepEqual(ofTree(second.entries), []);
  assert.equal(second.tree.usedTrackLog, true);
  assert.equal(idOf(second.image), idOf(first.image));
  assert.deepEqual(second.tree.counts, { bytesAdded: 0, bytesAddedStored: 0, chunksAdded: 0 });

  mutate(scene.source, { do: 'write', path: 'd3/f3', size: 100, seed: 99 });
  mutate(scene.source, { do: 'remove', path: 'd4/f4' });
  mutate(scene.source, { do: 'write', path: 'd5/new', size: 100, seed: 98 });
  const third = await scene.backUp();
  assert.deepEqual(ofTree(third.entries), ['changed d4', 'changed d5', 'changed d3/f3', 'new d5/new']);
  assert.equal(third.tree.deleted, 1);
  assert.ok(third.unmodified > 140);
  await scene.assertHolds(third.image, snapshotOfTree(scene.source));
  const forced = await scene.backUp({ force: true });
  assert.equal(idOf(forced.image), idOf(third.image));
  assert.equal(forced.tree.counts.chunksAdded, 0);
});

test('a state folder that cannot be written is told of, and the backup succeeds', async (context) => {
  const scene = await CaptureScene.create(context);
  mutate(scene.source, { do: 'write', path: 'long', size: 9_000_000, seed: 1 });
  writeFileSync(scene.state, 'a file where the folder should be');
  const { image, notices } = await scene.backUp();
  await scene.assertHolds(image, snapshotOfTree(scene.source));
  assert.match(notices.join('\n'), /track log could not be written/);
});

test('of a long file that is stored anew the old segment entries go with the commit, not before', async (context) => {
  const scene = await CaptureScene.create(context);
  for (const seed of [0, 1]) {
    mutate(scene.source, { do: 'write', path: 'long', size: 9_000_000, seed });
    await scene.backUp();
  }
  const segments = join(datasetFolder(scene.state, scene.dataset), 'segments');
  const [before] = readdirSync(segments);
  mutate(scene.source, { do: 'patch', path: 'long', at: 5_000_000, seed: 1 });
  const put = scene.store.putIfAbsent.bind(scene.store);
  scene.store.putIfAbsent = async (name, parts) => {
    if (name.startsWith('manifests/')) throw new EverfullError('io', 'the store is gone');
    return put(name, parts);
  };
  await assert.rejects(scene.backUp(), { code: 'io' });
  assert.ok(readdirSync(segments).includes(before), 'the next backup compares with them');
  scene.store.putIfAbsent = put;
  const { image, tree } = await scene.backUp();
  assert.equal(readdirSync(segments).includes(before), false);
  assert.equal(readdirSync(segments).length, 1);
  assert.ok(tree.counts.bytesAdded < 100_000, 'only what changed, and what the failed one left is used');
  await scene.assertHolds(image, snapshotOfTree(scene.source));
});

test('what the repository lost is stored again by a backup that reads everything', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  await scene.backUp();
  for (const name of [...scene.store.objects.keys()])
    if (name.startsWith('packs/') || name.startsWith('index/')) scene.store.objects.delete(name);
  for (const options of [{ force: true }, { stateFolder: undefined, force: true }]) {
    await scene.reopen();
    const { image } = await scene.backUp(options);
    await scene.assertHolds(image, snapshotOfTree(scene.source));
    for (const name of [...scene.store.objects.keys()])
      if (name.startsWith('packs/') || name.startsWith('index/')) scene.store.objects.delete(name);
  }
});

test('a backup with a store that fails at any put ends with its error, and the next one succeeds', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  const expected = snapshotOfTree(scene.source);
  const put = scene.store.putIfAbsent.bind(scene.store);
  await scene.repository.endpoint('host');
  const empty = new Map(scene.store.objects);
  for (let failAt = 1; ; failAt++) {
    const before = openDescriptors();
    scene.store.objects.clear();
    for (const [name, bytes] of empty) scene.store.objects.set(name, bytes);
    rmSync(scene.state, { recursive: true, force: true });
    scene.last = undefined;
    await scene.reopen();
    let puts = 0;
    scene.store.putIfAbsent = async (name, parts) => {
      if (++puts === failAt) throw new EverfullError('io', `cannot put ${name}`);
      return put(name, parts);
    };
    const failure = await scene.backUp().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) {
      assert.ok(failAt > 6, 'there are several puts');
      break;
    }
    assert.ok(isEverfullError(failure, 'io'), String(failure));
    assert.equal(openDescriptors(), before, 'no descriptor is left open');
    // The first are for the endpoint and the session, before the capture begins.
    if (failAt > 2) {
      const left = readdirSync(datasetFolder(scene.state, scene.dataset));
      assert.deepEqual(left, [], 'no log is left of a backup that failed');
    }
    await scene.reopen();
    scene.last = undefined;
    const { image } = await scene.backUp();
    await scene.assertHolds(image, expected);
  }
});

test('an interruption ends a backup at any moment, and the next one uses what is stored', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  const expected = snapshotOfTree(scene.source);
  for (const after of [0, 1, 100, 1_000_000]) {
    const controller = new AbortController();
    let seen = 0;
    if (after === 0) controller.abort();
    const count = (bytes: number) => {
      seen += bytes;
      if (seen >= after) controller.abort();
    };
    const events = { entry: () => count(1), read: count };
    await assert.rejects(scene.backUp({ signal: controller.signal, events }), { code: 'interrupted' });
  }
  const { image } = await scene.backUp();
  await scene.assertHolds(image, expected);
});

test('a dry run stores nothing and leaves the local state as it was', async (context) => {
  const scene = await CaptureScene.create(context);
  makeTree(scene.source);
  const before = [...scene.store.objects.keys()];
  const dryRun = await WriteSession.open(dryRunOf(scene.repository), scene.dataset, {
    compression: 'fastest',
    clock: LATER,
  });
  const { tree, entries } = await scene.capture(dryRun, { dryRun: true });
  tree.discard();
  await dryRun.abort({ keep: false });
  assert.ok(entries.length > 150);
  assert.ok(tree.counts.bytesAdded > 2_000_000);
  assert.deepEqual([...scene.store.objects.keys()], before);
  assert.equal(existsSync(scene.state), false);
  // What was only counted must not be referred to as if it were stored.
  const { image } = await scene.backUp();
  assert.equal(idOf(image), hexOf(tree.root.root));
  await scene.assertHolds(image, snapshotOfTree(scene.source));
});

for (const kind of ['leftOut', 'entry', 'walked', 'read'] as const) {
  test(`an error of whoever listens to "${kind}" ends the backup, and nothing hangs`, async (context) => {
    const scene = await CaptureScene.create(context);
    makeTree(scene.source);
    const leaveOut = [`${scene.source}/d1`];
    const before = openDescriptors();
    const listener = () => {
      throw new Error('enough');
    };
    await assert.rejects(scene.backUp({ leaveOut, events: { [kind]: listener } }), /enough/);
    assert.equal(openDescriptors(), before);
  });
}
