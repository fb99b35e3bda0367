import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexOf } from '../base/mod.ts';
import { DecisionKind } from '../format/mod.ts';
import { decideRetention, type Image } from '../repository/mod.ts';
import { selectImages } from './images.ts';
import { changedTags, type TagChanges, tag } from './tag.ts';
import { SmallRepository } from './testing/small-repository.ts';

async function scene(): Promise<{ small: SmallRepository; images: Image[] }> {
  const small = await SmallRepository.create();
  const images = [
    await small.commit({ '/a': 'one' }, { tags: ['x'] }),
    await small.commit({ '/a': 'two' }, { tags: ['x', 'y'] }),
  ];
  small.clock.time += 1_000_000;
  return { small, images };
}

function run(small: SmallRepository, images: readonly Image[], changes: TagChanges) {
  return tag(small.context(), { images, compression: 'fastest', changed: () => {}, ...changes });
}

test('tags are added, removed and set as restic does', () => {
  const cases: readonly [readonly string[], TagChanges, readonly string[] | undefined][] = [
    [['a'], { add: ['b,c', 'a'] }, ['a', 'b', 'c']],
    [['a', 'b'], { remove: ['a,z'] }, ['b']],
    [['a', 'b'], { add: ['c'], remove: ['b'] }, ['a', 'c']],
    [['a', 'b'], { set: ['z, y'] }, ['z', 'y']],
    [['a'], { set: [''] }, []],
    [['a'], { add: ['a'] }, undefined],
    [[], { set: [''] }, undefined],
  ];
  for (const [before, changes, after] of cases) assert.deepEqual(changedTags(before, changes), after);
});

test('an image with other tags is a new one, at the time of the old one, which is gone', async () => {
  const { small, images } = await scene();
  const told: [Image, Image][] = [];
  const count = await tag(small.context(), {
    images,
    remove: ['y'],
    compression: 'fastest',
    changed: (before, after) => told.push([before, after]),
  });
  assert.equal(count, 1);
  const now = await selectImages(small.context());
  assert.deepEqual(
    now.map(({ body }) => body.tags),
    [['x'], ['x']],
  );
  const [before, after] = told[0]!;
  assert.deepEqual(before.id, images[1]!.id);
  assert.deepEqual(after.id, now[1]!.id);
  assert.deepEqual(after.header.indexRoot, before.header.indexRoot);
  assert.equal(after.committed, before.committed);
  assert.equal(after.header.sequence, 3);
  const { tags, original, ...kept } = after.body;
  assert.partialDeepStrictEqual(before.body, kept);
  assert.deepEqual(Buffer.from(original), before.id);
  await run(small, [after], { add: ['z'] });
  const again = (await selectImages(small.context()))[1]!;
  assert.deepEqual(Buffer.from(again.body.original), before.id, 'the first of them stays known');
});

test('a backup builds on the newest image, not on an older one that got its tags later', async () => {
  const { small, images } = await scene();
  await run(small, [images[0]!], { add: ['late'] });
  const newest = await small.repository.newestImage(images[0]!.header.dataset, () => {});
  assert.equal(hexOf(newest!.id), hexOf(images[1]!.id));
  await run(small, [images[1]!], { add: ['later'] });
  const now = await small.repository.newestImage(images[0]!.header.dataset, () => {});
  assert.deepEqual(now!.body.tags, ['x', 'y', 'later']);
});

for (const [name, kind] of [
  ['held', DecisionKind.hold],
  ['locked', DecisionKind.lock],
] as const) {
  test(`an image that is ${name} keeps its tags, and nothing is stored`, async () => {
    const { small, images } = await scene();
    const { session, dataset } = images[0]!.header;
    const subject = kind === DecisionKind.hold ? session : dataset;
    await decideRetention(small.store, small.clock, () => [
      { kind, subject, until: small.clock.now() + 1000, note: '' },
    ]);
    const objects = small.store.objects.size;
    await assert.rejects(run(small, [images[0]!], { add: ['z'] }), { code: 'retention' });
    assert.equal(small.store.objects.size, objects);
  });
}

test('nothing to change is a mistake, and so is to set and add at once', async () => {
  const { small, images } = await scene();
  await assert.rejects(run(small, images, {}), { code: 'usage' });
  await assert.rejects(run(small, images, { set: ['a'], add: ['b'] }), { code: 'usage' });
});
