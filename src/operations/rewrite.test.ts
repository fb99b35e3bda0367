import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntryType } from '../format/mod.ts';
import type { Image } from '../repository/mod.ts';
import { check } from './check.ts';
import { selectImages } from './images.ts';
import { indexRootOf, readerOf } from './reading.ts';
import { type Removed, type RewriteOptions, rewrite } from './rewrite.ts';
import { all, type Item, SmallRepository } from './testing/small-repository.ts';

const ITEMS: Record<string, Item> = {
  '/a/keep': 'keep',
  '/a/drop.tmp': 'dropped',
  '/a/tmp/one': 'one',
  '/a/tmp/deep/two': 'two',
  '/b/DROP.TMP': 'upper',
};

interface Rewritten {
  readonly before: Image;
  readonly after: Image | undefined;
  readonly removed: Removed;
}

async function run(small: SmallRepository, options: Partial<RewriteOptions>) {
  const done: Rewritten[] = [];
  const images = await selectImages(small.context());
  small.clock.time += 1_000_000;
  const count = await rewrite(small.context(), {
    images,
    excludes: [],
    iexcludes: [],
    keepOriginal: false,
    dryRun: false,
    compression: 'fastest',
    rewritten: (before, after, removed) => done.push({ before, after, removed }),
    ...options,
  });
  return { count, done, now: await selectImages(small.context()) };
}

async function pathsOf(small: SmallRepository, image: Image): Promise<string[]> {
  return (await all(readerOf(small.repository, image).walk('/'))).map(({ path }) => path);
}

test('what matches is left out with all below it, and the rest has the index that it has by itself', async () => {
  const small = await SmallRepository.create();
  const before = await small.commit(ITEMS, { tags: ['x'] });
  const { count, done, now } = await run(small, { excludes: ['*.tmp', '/a/tmp'], iexcludes: ['drop.tmp'] });
  assert.equal(count, 1);
  assert.deepEqual(done[0]!.removed, { files: 4, folders: 2, bytes: 'droppedonetwoupper'.length });
  assert.deepEqual(
    now.map(({ id }) => id),
    [done[0]!.after!.id],
  );
  const after = now[0]!;
  assert.deepEqual(await pathsOf(small, after), ['/', '/a', '/b', '/a/keep']);
  const { '/a/keep': keep } = ITEMS;
  const session = await small.openSession('by itself');
  assert.deepEqual(
    indexRootOf(after),
    small.addTree(session, { '/a/keep': keep!, '/b': { type: EntryType.folder } }),
  );
  assert.equal(after.committed, before.committed);
  assert.equal(after.body.time, before.body.time);
  assert.deepEqual(after.body.tags, ['x']);
  assert.deepEqual(after.body.excludes, ['*.tmp', '/a/tmp', 'drop.tmp']);
  assert.deepEqual(Buffer.from(after.body.original), before.id);
  assert.equal((await check(await small.reopen(), { readData: true })).errors, 0);
});

test('nothing is brought back below a folder that is left out, as in a backup', async () => {
  const small = await SmallRepository.create();
  await small.commit(ITEMS);
  const { now } = await run(small, { excludes: ['tmp', '!/a/tmp/one'] });
  assert.deepEqual(await pathsOf(small, now[0]!), ['/', '/a', '/b', '/a/drop.tmp', '/a/keep', '/b/DROP.TMP']);
});

test('images in which nothing matches stay as they are', async () => {
  const small = await SmallRepository.create();
  const untouched = await small.commit({ '/a/keep': 'keep' });
  await small.commit(ITEMS);
  const { count, now } = await run(small, { excludes: ['*.tmp'] });
  assert.equal(count, 1);
  assert.deepEqual(now[0]!.id, untouched.id);
});

test('a group of hard links gets the name of the first path that is left', async () => {
  const small = await SmallRepository.create();
  const file = { type: EntryType.file, content: { pieces: [] }, fingerprint: Buffer.alloc(32) };
  const linked = (linkGroup: string) => ({ ...file, linkGroup });
  await small.commit({
    '/a/1': linked('/a/1'),
    '/b/2': linked('/a/1'),
    '/b/3': linked('/a/1'),
    '/b/4': linked('/b/4'),
  });
  const { now } = await run(small, { excludes: ['/a'] });
  const found = await all(readerOf(small.repository, now[0]!).walk('/'));
  assert.deepEqual(
    found.map(({ path, entry }) => [path, entry.linkGroup]),
    [
      ['/', undefined],
      ['/b', undefined],
      ['/b/2', '/b/2'],
      ['/b/3', '/b/2'],
      ['/b/4', '/b/4'],
    ],
  );
});

test('a dry run says what would go, and changes nothing', async () => {
  const small = await SmallRepository.create();
  await small.commit(ITEMS);
  const objects = [...small.store.objects.keys()];
  const paths: string[] = [];
  const { done } = await run(small, {
    excludes: ['tmp', '*.tmp'],
    dryRun: true,
    leftOut: (path) => paths.push(path),
  });
  assert.deepEqual(paths, ['/a/drop.tmp', '/a/tmp']);
  assert.equal(done[0]!.after, undefined);
  assert.deepEqual([...small.store.objects.keys()], objects);
});

test('with the originals kept, the new images bear a tag', async () => {
  const small = await SmallRepository.create();
  const before = await small.commit(ITEMS);
  const { now } = await run(small, { excludes: ['tmp'], keepOriginal: true });
  assert.equal(now.length, 2);
  assert.ok(now.some(({ id }) => id.equals(before.id)));
  assert.deepEqual(now.find(({ id }) => !id.equals(before.id))!.body.tags, ['rewrite']);
});

test('patterns that leave nothing, or none at all, are a mistake', async () => {
  const small = await SmallRepository.create();
  await small.commit(ITEMS);
  await assert.rejects(run(small, { excludes: ['/'] }), { code: 'usage', message: /leave nothing/ });
  await assert.rejects(run(small, {}), { code: 'usage' });
  await assert.rejects(run(small, { excludes: ['[a'] }), { code: 'usage' });
});

test('large images keep the leaves that nothing is left out of', async () => {
  const small = await SmallRepository.create();
  const items: Record<string, Item> = {};
  for (let i = 0; i < 5000; i++) items[`/d${i % 50}/file-${i}`] = `${i % 10}`;
  await small.commit(items);
  const { done, now } = await run(small, { excludes: ['/d7'] });
  assert.deepEqual(done[0]!.removed, { files: 100, folders: 1, bytes: 100 });
  const session = await small.openSession('by itself');
  const left = Object.fromEntries(Object.entries(items).filter(([path]) => !path.startsWith('/d7/')));
  assert.deepEqual(indexRootOf(now[0]!), small.addTree(session, left));
});
