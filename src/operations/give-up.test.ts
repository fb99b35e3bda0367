import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEverfullError } from '../base/mod.ts';
import { DecisionKind } from '../format/mod.ts';
import { decideRetention, manifestName, sessionEndName } from '../repository/mod.ts';
import { giveUpImages } from './give-up.ts';
import { prune } from './prune.ts';
import { flip } from './testing/checked-repository.ts';
import { SmallRepository } from './testing/small-repository.ts';

const OPTIONS = { maxUnused: { bytes: 0 }, maxRepackBytes: Infinity, dryRun: false };

async function scene() {
  const small = await SmallRepository.create();
  const images = [await small.commit({ '/f': 'one' }), await small.commit({ '/f': 'two' })];
  const run = () => prune({ ...small.context(), store: small.store }, OPTIONS);
  return { small, images, run };
}

test('an image whose manifest, or end record, is damaged blocks prune until it is given up', async () => {
  for (const nameOf of [
    ({ header }: Awaited<ReturnType<typeof scene>>['images'][number]) =>
      manifestName(header.dataset, header.sequence),
    ({ header }: Awaited<ReturnType<typeof scene>>['images'][number]) => sessionEndName(header.session),
  ]) {
    const { small, images, run } = await scene();
    const object = nameOf(images[0]!);
    flip(small, object, 30);
    await assert.rejects(run(), (error) => isEverfullError(error, 'damaged'));
    const tried = await giveUpImages(small.context(), { dryRun: true });
    assert.deepEqual(
      tried.map(({ object, isForgotten }) => [object, isForgotten]),
      [[object, false]],
    );
    await assert.rejects(run());
    const [done] = await giveUpImages(small.context(), { dryRun: false });
    assert.ok(done?.isForgotten);
    assert.ok((await run()).packsDeleted > 0);
    const left = await small.repository.images(({ error }) => {
      throw error;
    });
    assert.deepEqual(
      left.map(({ id }) => id),
      [images[1]!.id],
    );
    assert.deepEqual(await giveUpImages(small.context(), { dryRun: false }), []);
  }
});

test('one that is held stays, and nothing is given up of a sound repository', async () => {
  const { small, images } = await scene();
  assert.deepEqual(await giveUpImages(small.context(), { dryRun: false }), []);
  const { dataset, sequence, session } = images[0]!.header;
  await decideRetention(small.store, small.clock, () => [
    { kind: DecisionKind.hold, subject: session, until: 0, note: '' },
  ]);
  flip(small, manifestName(dataset, sequence), 30);
  const [given] = await giveUpImages(small.context(), { dryRun: false });
  assert.equal(given?.isForgotten, false);
});
