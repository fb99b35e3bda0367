import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { hexOf } from '../base/mod.ts';
import { type Image, retentionName } from '../repository/mod.ts';
import { type ForgetOptions, forget } from './forget.ts';
import { holdImages, listHolds, releaseImages } from './hold.ts';
import { selectImages } from './images.ts';
import { lockDataset } from './lock.ts';
import { SmallRepository, TIME } from './testing/small-repository.ts';

const DAY = 86_400_000;
const KEEP_ONE: Partial<ForgetOptions> = { policy: { counts: { last: 1 } } };

describe('forget', () => {
  let small: SmallRepository;

  beforeEach(async () => {
    small = await SmallRepository.create();
  });

  /** An image that the repository took at the end of so many days from the first. */
  function commitAt(day: number, options: Parameters<SmallRepository['commit']>[1] = {}): Promise<Image> {
    small.clock.time = TIME + day * DAY;
    // What the endpoint says of the time does not count.
    return small.commit({ '/f': `${day}` }, { time: TIME + day, ...options });
  }

  async function forgetting(options: Partial<ForgetOptions>) {
    const groups = await forget(small.context(), {
      policy: {},
      groupBy: ['host', 'paths'],
      filter: {},
      images: [],
      allowEmptyDataset: false,
      dryRun: false,
      ...options,
    });
    return {
      groups,
      kept: groups.flatMap(({ keep }) =>
        keep.map(({ image, reasons }) => [dayOf(image), reasons.join(', ')]),
      ),
      removed: groups.flatMap(({ remove }) => remove.map(dayOf)),
    };
  }

  const dayOf = ({ committed }: Image) => Math.floor((committed - TIME) / DAY);
  const idOf = ({ id }: Image) => hexOf(id);
  const left = async () => (await selectImages(small.context())).map(dayOf).sort((a, b) => a - b);

  it('what no rule keeps is gone, by the time of the repository, in one decision', async () => {
    for (const day of [0, 1, 2, 3, 4]) await commitAt(day);
    const { kept, removed } = await forgetting({ policy: { counts: { daily: 2 } } });
    assert.deepEqual(kept, [
      [4, 'daily'],
      [3, 'daily'],
    ]);
    assert.deepEqual(removed, [2, 1, 0]);
    assert.deepEqual(await left(), [3, 4]);
    assert.ok(small.store.objects.has(retentionName(0)));
    assert.ok(!small.store.objects.has(retentionName(1)));
    // A second time there is nothing to decide.
    assert.deepEqual((await forgetting({ policy: { counts: { daily: 2 } } })).removed, []);
    assert.ok(!small.store.objects.has(retentionName(1)));
  });

  it('a dry run says the same and changes nothing', async () => {
    for (const day of [0, 1]) await commitAt(day);
    const { removed } = await forgetting({ ...KEEP_ONE, dryRun: true });
    assert.deepEqual(removed, [0]);
    assert.deepEqual(await left(), [0, 1]);
  });

  it('the rules apply to each group, and the last image of each dataset stays', async () => {
    await commitAt(0, { host: 'a', dataset: 'a' });
    await commitAt(1, { host: 'b', dataset: 'b' });
    await commitAt(2, { host: 'a', dataset: 'a', tags: ['x'] });
    await commitAt(3, { host: 'a', dataset: 'other' });
    const options = { ...KEEP_ONE, dryRun: true };
    assert.deepEqual((await forgetting(options)).kept, [
      [3, 'last'],
      [2, 'last of its dataset'],
      [1, 'last'],
    ]);
    const all = await forgetting({ ...options, groupBy: [] });
    assert.equal(all.groups.length, 1);
    assert.deepEqual(all.kept, [
      [3, 'last'],
      [2, 'last of its dataset'],
      [1, 'last of its dataset'],
    ]);
    assert.deepEqual((await forgetting({ ...options, groupBy: ['tags'] })).removed, [0]);
    assert.deepEqual(all.removed, [0]);
    assert.deepEqual(
      (await forgetting({ ...options, groupBy: ['host'] })).groups.map(({ host, paths }) => [host, paths]),
      [
        ['a', undefined],
        ['b', undefined],
      ],
    );
  });

  it('a filter narrows what is looked at', async () => {
    for (const [day, tag] of ['x', 'x', 'y', 'y'].entries()) await commitAt(day, { tags: [tag] });
    assert.deepEqual((await forgetting({ ...KEEP_ONE, filter: { tag: ['x'] } })).removed, [0]);
    assert.deepEqual(await left(), [1, 2, 3]);
  });

  it('what was mistyped forgets nothing', async () => {
    for (const day of [0, 1]) await commitAt(day, { host: 'web', tags: ['x'] });
    const missing = { code: 'image-missing' };
    for (const filter of [{ host: ['wep'] }, { host: ['web', 'wep'] }, { path: ['/etc'] }, { tag: ['y'] }])
      await assert.rejects(forgetting({ ...KEEP_ONE, filter }), missing, JSON.stringify(filter));
    await assert.rejects(forgetting({ policy: { tags: ['y'] } }), missing);
    await assert.rejects(forgetting({ images: ['ffffffffffffffff'] }), missing);
    await assert.rejects(forgetting({ images: ['latest'], filter: { host: ['wep'] } }), missing);
    for (const options of [{}, { policy: { counts: { daily: 0 } } }, { ...KEEP_ONE, images: ['latest'] }])
      await assert.rejects(forgetting(options), { code: 'usage' });
    assert.deepEqual(await left(), [0, 1]);
    assert.deepEqual(
      (await forgetting({ policy: { counts: { last: 1 }, tags: ['y'] }, dryRun: true })).removed,
      [0],
    );
    assert.match(small.notices.join(), /No image has the tags "y"/);
  });

  it('nothing is forgotten of a repository without images', async () => {
    assert.deepEqual((await forgetting(KEEP_ONE)).groups, []);
    assert.deepEqual((await forgetting({ policy: { tags: ['x'] } })).groups, []);
  });

  it('images that are named go, but for the last of their dataset', async () => {
    const images = [await commitAt(0), await commitAt(1), await commitAt(2)];
    assert.deepEqual(
      (await forgetting({ images: [idOf(images[0]!).slice(0, 20), 'latest~2'] })).removed,
      [0],
    );
    assert.deepEqual(await left(), [1, 2]);
    const both = { images: [idOf(images[1]!), idOf(images[2]!)] };
    await assert.rejects(forgetting(both), { code: 'retention', message: /is the last of its dataset/ });
    assert.deepEqual((await forgetting({ ...both, allowEmptyDataset: true })).removed.length, 2);
    assert.deepEqual(await left(), []);
    await assert.rejects(forgetting(both), { code: 'image-missing' });
  });

  it('a held image stays until it is released, or its time comes', async () => {
    const images = [await commitAt(0), await commitAt(1), await commitAt(2), await commitAt(3)];
    const [first, second] = images.map(idOf);
    const which = (...specs: string[]) => ({ images: specs, filter: {} });
    await holdImages(small.context(), { ...which(first!), until: 0, note: 'why' });
    await holdImages(small.context(), { ...which(second!), until: TIME + 5 * DAY, note: '' });
    assert.deepEqual(
      (await forgetting(KEEP_ONE)).kept.map(([day, reason]) => `${day} ${reason}`.slice(0, 12)),
      ['3 last', '1 hold until', '0 hold'],
    );
    await assert.rejects(forgetting({ images: [first!] }), { code: 'retention', message: /: hold$/ });
    const { holds } = await listHolds(small.context());
    assert.deepEqual(
      holds.map(({ image, hold }) => [dayOf(image), hold.until, hold.note]),
      [
        [0, 0, 'why'],
        [1, TIME + 5 * DAY, ''],
      ],
    );
    small.clock.time = TIME + 5 * DAY;
    assert.deepEqual((await releaseImages(small.context(), which(first!, second!))).map(dayOf), [0, 1]);
    assert.deepEqual((await forgetting(KEEP_ONE)).removed, [1, 0]);
    await assert.rejects(holdImages(small.context(), { ...which(first!), until: 0, note: '' }), {
      code: 'image-missing',
    });
  });

  it('a hold may be prolonged, and shortened only by a release', async () => {
    await commitAt(0);
    const holding = (until: number, note = '') =>
      holdImages(small.context(), { images: ['latest'], filter: {}, until, note });
    await holding(TIME + 5 * DAY);
    await holding(TIME + 6 * DAY);
    await holding(TIME + 6 * DAY);
    assert.ok(!small.store.objects.has(retentionName(2)), 'what is in force is not decided again');
    await assert.rejects(holding(TIME + 5 * DAY), { code: 'usage', message: /it is held until/ });
    await assert.rejects(holding(TIME - DAY), { code: 'usage', message: /not in the future/ });
    await holding(0);
    await assert.rejects(holding(TIME + 9 * DAY), { code: 'usage', message: /without an end/ });
  });

  it('a lock of a dataset, or of the repository, keeps all images until its time, and is never shortened', async () => {
    await commitAt(0, { dataset: 'a' });
    await commitAt(1, { dataset: 'a' });
    const locking = (until: number, dataset: string | undefined) =>
      lockDataset(small.context(), { dataset, filter: {}, until, note: '' });
    await locking(TIME + 10 * DAY, 'latest');
    // Also one that is made afterwards.
    await commitAt(2, { dataset: 'a' });
    await commitAt(3, { dataset: 'b' });
    await commitAt(4, { dataset: 'b' });
    const { kept, removed } = await forgetting({ ...KEEP_ONE, dryRun: true });
    assert.deepEqual(removed, [3]);
    assert.match(String(kept.find(([day]) => day === 2)?.[1]), /^locked until /);
    await locking(TIME + 8 * DAY, undefined);
    assert.deepEqual((await forgetting({ ...KEEP_ONE, dryRun: true })).removed, []);
    await assert.rejects(forgetting({ images: ['latest~1'] }), {
      code: 'retention',
      message: /locked until/,
    });
    const shorter = { code: 'usage', message: /locked until .* already/ };
    await assert.rejects(locking(TIME + 7 * DAY, undefined), shorter);
    await assert.rejects(locking(TIME + 9 * DAY, (await idsOf('a'))[0]), shorter);
    const { locks } = await listHolds(small.context());
    assert.deepEqual(locks.map(({ image, lock }) => [image === undefined, lock.until]).sort(), [
      [false, TIME + 10 * DAY],
      [true, TIME + 8 * DAY],
    ]);
    small.clock.time = TIME + 10 * DAY;
    assert.deepEqual((await forgetting(KEEP_ONE)).removed, [3, 1, 0]);
  });

  async function idsOf(dataset: string): Promise<string[]> {
    const id = small.datasetId(dataset);
    return (await selectImages(small.context())).filter(({ header }) => id.equals(header.dataset)).map(idOf);
  }

  it('what someone else decided meanwhile counts', async () => {
    const images = [await commitAt(0), await commitAt(1)];
    const { store } = small;
    const list = store.list.bind(store);
    let asked = false;
    store.list = async function* (prefix: string) {
      // Between the state that forget read and its decision.
      if (prefix === 'sessions/' && !asked) {
        asked = true;
        await holdImages(small.context(), { images: [idOf(images[0]!)], filter: {}, until: 0, note: '' });
      }
      yield* list(prefix);
    };
    assert.deepEqual((await forgetting(KEEP_ONE)).removed, []);
    assert.deepEqual(await left(), [0, 1]);
  });
});
