import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { isEverfullError } from '../base/mod.ts';
import { manifestName } from '../repository/mod.ts';
import { withCounting } from '../store/mod.ts';
import { resolveImage, selectImages } from './images.ts';
import { SmallRepository } from './testing/small-repository.ts';

describe('known images', () => {
  let small: SmallRepository;
  let stateFolder: string;

  beforeEach(async () => {
    stateFolder = mkdtempSync(join(tmpdir(), 'everfull-known-'));
    small = await SmallRepository.create();
    await small.commit({ '/f': 'one' });
    await small.commit({ '/f': 'two' });
    await (await small.openSession()).abort({ keep: false });
  });
  afterEach(() => rmSync(stateFolder, { recursive: true }));

  /** The ids of the images that another process lists, and how many objects it read for them. */
  async function listed() {
    const store = withCounting(small.store);
    const context = { ...(await small.reopen(store)), stateFolder };
    const before = store.counts.get.calls;
    const images = await selectImages(context);
    return {
      ids: images.map(({ id }) => id.toString('hex')),
      images,
      reads: store.counts.get.calls - before,
    };
  }

  it('an image is read once, and listed from then on as it was read', async () => {
    const first = await listed();
    assert.ok(first.reads > 0);
    const second = await listed();
    assert.deepEqual(second.images, first.images);
    assert.equal(second.reads, 0);
  });

  it('one that is new is read, one that is gone is not listed', async () => {
    const first = await listed();
    const third = await small.commit({ '/f': 'three' });
    const second = await listed();
    assert.deepEqual(second.ids, [...first.ids, third.id.toString('hex')]);
    assert.ok(second.reads < first.reads);
    await small.store.delete(`sessions/${Buffer.from(third.header.session).toString('hex')}.end`);
    assert.deepEqual((await listed()).ids, first.ids);
  });

  it('a list that is damaged, or of something else, is made anew', async () => {
    const { images } = await listed();
    const path = join(stateFolder, 'images');
    const sound = readFileSync(path);
    for (const bytes of [sound.subarray(0, 40), Buffer.alloc(100), Buffer.from([...sound, 0])]) {
      writeFileSync(path, bytes);
      const again = await listed();
      assert.deepEqual(again.images, images);
      assert.ok(again.reads > 0);
      assert.deepEqual(readFileSync(path).length, sound.length);
    }
  });

  it('what an image is read by comes from the store, also when the image is known', async () => {
    const { images } = await listed();
    small.store.objects.set(manifestName(images[0]!.header.dataset, 1), Buffer.from('rot'));
    const context = { ...(await small.reopen()), stateFolder };
    await assert.rejects(resolveImage(context, 'latest~1'), (error) => isEverfullError(error, 'damaged'));
  });

  it('where it cannot be kept the user is told, and images are listed all the same', async () => {
    rmSync(stateFolder, { recursive: true });
    writeFileSync(stateFolder, 'no folder');
    assert.equal((await listed()).ids.length, 2);
    assert.match(small.notices.join(), /could not be kept/);
  });
});
