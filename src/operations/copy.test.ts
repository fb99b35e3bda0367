import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexOf } from '../base/mod.ts';
import type { Image } from '../repository/mod.ts';
import { check } from './check.ts';
import { type CopyOptions, copy } from './copy.ts';
import { forget } from './forget.ts';
import { selectImages } from './images.ts';
import { readerOf } from './reading.ts';
import { damageChunk } from './testing/checked-repository.ts';
import { all, type Item, SmallRepository } from './testing/small-repository.ts';

const ITEMS: Record<string, Item> = {
  '/a/one': 'one',
  '/a/two': ['two', 'blocks'],
  '/b/holes': ['x', 9000, 'y'],
};
const PATHS = { paths: ['/a', '/b'] };

async function scene(): Promise<{ from: SmallRepository; to: SmallRepository }> {
  const from = await SmallRepository.create();
  await from.commit(ITEMS, { ...PATHS, tags: ['t'] });
  await from.commit({ ...ITEMS, '/a/three': 'three' }, PATHS);
  return { from, to: await SmallRepository.create() };
}

async function run(from: SmallRepository, to: SmallRepository, options: Partial<CopyOptions> = {}) {
  const images = await selectImages(from.context());
  const copies: Image[] = [];
  to.clock.time += 1_000_000;
  const summary = await copy(to.context(), {
    source: from.repository,
    images,
    all: images,
    compression: 'fastest',
    threads: 1,
    done: (_, made) => copies.push(made),
    ...options,
  });
  return { summary, copies, images };
}

async function contentsOf(small: SmallRepository, image: Image): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  const reader = readerOf(small.repository, image);
  for await (const { path, entry } of reader.walk('/'))
    contents[path] =
      entry.content === undefined ? '' : Buffer.concat(await all(reader.readRange(entry.content))).toString();
  return contents;
}

test('copies say what the images say, of the same files', async () => {
  const { from, to } = await scene();
  const { summary, copies, images } = await run(from, to);
  assert.deepEqual([summary.copied, summary.skipped, summary.failed], [2, 0, 0]);
  for (const [i, image] of images.entries()) {
    const { header, body, committed } = copies[i]!;
    const { base, original, bytesAdded, bytesAddedStored, ...told } = body;
    assert.partialDeepStrictEqual(image.body, told);
    assert.deepEqual(Buffer.from(original), image.id);
    assert.equal(committed, image.committed, 'retention sees it where the image was');
    assert.notDeepEqual(header.dataset, image.header.dataset);
    assert.deepEqual(await contentsOf(to, copies[i]!), await contentsOf(from, image));
  }
  assert.deepEqual(copies[0]!.header.dataset, copies[1]!.header.dataset);
  const { errors } = await check({ ...to.context(), repository: to.repository }, { readData: true });
  assert.equal(errors, 0);
});

test('an image that has a copy is left out, also after the copy got other tags', async () => {
  const { from, to } = await scene();
  await run(from, to);
  const { tag } = await import('./tag.ts');
  const images = await selectImages(to.context());
  await tag(to.context(), { images, add: ['kept'], compression: 'fastest', changed: () => {} });
  await from.commit({ ...ITEMS, '/a/four': 'four' }, PATHS);
  const { summary } = await run(from, to);
  assert.deepEqual([summary.copied, summary.skipped], [1, 2]);
  assert.equal((await selectImages(to.context())).length, 3);
});

test('a backup goes on from the newest copy, in whatever order they came', async () => {
  const { from, to } = await scene();
  const [older, newer] = await selectImages(from.context());
  await run(from, to, { images: [newer!] });
  await run(from, to, { images: [older!] });
  const copies = await selectImages(to.context());
  const newest = await to.repository.newestImage(copies[0]!.header.dataset, () => {});
  assert.equal(hexOf(newest!.body.original), hexOf(newer!.id));
});

test('an image whose data is damaged is told of, and the others are copied', async () => {
  const { from, to } = await scene();
  damageChunk(from, 'three');
  await from.reopen();
  const { summary, copies } = await run(from, to);
  assert.deepEqual([summary.copied, summary.failed], [1, 1]);
  assert.equal(copies.length, 1);
  assert.deepEqual(
    to.problems.map(({ item, during }) => [item.slice(0, 6), during]),
    [['image ', 'copy']],
  );
});

test('a copy that was interrupted goes on', async () => {
  const { from, to } = await scene();
  const aborted = new AbortController();
  const images = await selectImages(from.context());
  const options = {
    source: from.repository,
    images,
    all: images,
    compression: 'fastest',
    threads: 1,
  } as const;
  const stopping = copy(to.context({ signal: aborted.signal }), { ...options, done: () => aborted.abort() });
  await assert.rejects(stopping, { code: 'interrupted' });
  const { summary } = await run(from, to);
  assert.deepEqual([summary.copied, summary.skipped], [1, 1]);
});

test('copies can be forgotten and copied again', async () => {
  const { from, to } = await scene();
  const { copies } = await run(from, to);
  await forget(to.context(), {
    policy: {},
    groupBy: [],
    filter: {},
    images: [hexOf(copies[0]!.id)],
    allowEmptyDataset: false,
    dryRun: false,
  });
  const { summary } = await run(from, to);
  assert.deepEqual([summary.copied, summary.skipped], [1, 1]);
});
