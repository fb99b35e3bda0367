import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { hexOf } from '../base/mod.ts';
import type { Image } from '../repository/mod.ts';
import { absolutePath, type ImageFilter, type ImageSelection, resolveImage, selectImages } from './images.ts';
import { SmallRepository, TIME } from './testing/small-repository.ts';

const HOUR = 3_600_000;

describe('images', () => {
  let small: SmallRepository;
  const images: Image[] = [];

  before(async () => {
    small = await SmallRepository.create();
    const made = [
      { host: 'a', paths: ['/etc'], tags: ['x'], dataset: 'a etc' },
      { host: 'a', paths: ['/etc'], tags: ['x', 'y'], dataset: 'a etc' },
      { host: 'b', paths: ['/etc', '/usr'], tags: [], dataset: 'b' },
      { host: 'a', paths: ['/etc'], tags: ['y', 'z'], dataset: 'a etc' },
    ];
    for (const [i, options] of made.entries())
      images.push(await small.commit({ '/f': `${i}` }, { time: TIME + i * HOUR, ...options }));
  });

  async function selected(selection: ImageSelection): Promise<number[]> {
    return (await selectImages(small.context(), selection)).map(({ id }) =>
      images.findIndex((image) => image.id.equals(id)),
    );
  }

  it('selectImages() gives all of them, oldest first', async () => {
    assert.deepEqual(await selected({}), [0, 1, 2, 3]);
  });

  it('selectImages() narrows by time: before is exclusive, after and at are not', async () => {
    assert.deepEqual(await selected({ before: TIME + 2 * HOUR }), [0, 1]);
    assert.deepEqual(await selected({ after: TIME + 2 * HOUR }), [2, 3]);
    assert.deepEqual(await selected({ at: TIME + 2 * HOUR }), [0, 1, 2]);
    assert.deepEqual(await selected({ after: TIME + HOUR, before: TIME + 2 * HOUR }), [1]);
  });

  it('selectImages() narrows by any host, all paths, and tags: commas mean and, repetition or', async () => {
    assert.deepEqual(await selected({ host: ['b'] }), [2]);
    assert.deepEqual(await selected({ host: ['b', 'a'] }), [0, 1, 2, 3]);
    assert.deepEqual(await selected({ path: ['/etc/'] }), [0, 1, 2, 3]);
    assert.deepEqual(await selected({ path: ['/usr', '/etc'] }), [2]);
    assert.deepEqual(await selected({ path: ['/us'] }), []);
    assert.deepEqual(await selected({ tag: ['x'] }), [0, 1]);
    assert.deepEqual(await selected({ tag: ['x,y'] }), [1]);
    assert.deepEqual(await selected({ tag: ['x,y', 'z'] }), [1, 3]);
    assert.deepEqual(await selected({ tag: [''] }), [2]);
    assert.deepEqual(await selected({ host: [], path: [], tag: [] }), [0, 1, 2, 3]);
  });

  it('selectImages() keeps the newest of every dataset', async () => {
    assert.deepEqual(await selected({ latest: 1 }), [2, 3]);
    assert.deepEqual(await selected({ latest: 2 }), [1, 2, 3]);
  });

  it('resolveImage() finds an image by the beginning of its id, with and without a path', async () => {
    const id = hexOf(images[1]!.id);
    for (const name of [id, id.slice(0, 12), id.slice(0, 12).toUpperCase()]) {
      const { image, path } = await resolveImage(small.context(), name);
      assert.ok(image.id.equals(images[1]!.id));
      assert.equal(path, undefined);
    }
    assert.equal((await resolveImage(small.context(), `${id}:/etc//x/../a:b\xff/`)).path, '/etc/a:b\xff');
    assert.equal((await resolveImage(small.context(), `${id}:`)).path, undefined);
    assert.equal((await resolveImage(small.context(), `${id}:/`)).path, '/');
  });

  it('resolveImage() counts back from the latest of those that the filter leaves', async () => {
    const found = async (spec: string, filter: ImageFilter = {}) => {
      const { image } = await resolveImage(small.context(), spec, filter);
      return images.findIndex(({ id }) => id.equals(image.id));
    };
    assert.equal(await found('latest'), 3);
    assert.equal(await found('latest~1'), 2);
    assert.equal(await found('latest~1', { host: ['a'] }), 1);
    assert.equal(await found('latest', { at: TIME + HOUR * 1.5 }), 1);
    assert.equal(await found('latest~0:/x', { tag: ['x'] }), 1);
  });

  it('resolveImage() says what is wrong with a name', async () => {
    const context = small.context();
    await assert.rejects(resolveImage(context, 'latest~9'), {
      code: 'image-missing',
      message: /"latest~9": there are 4 that fit/,
    });
    await assert.rejects(resolveImage(context, 'latest', { host: ['c'] }), {
      code: 'image-missing',
      message: /there are none/,
    });
    await assert.rejects(resolveImage(context, '0'.repeat(64)), { code: 'image-missing' });
    await assert.rejects(resolveImage(context, hexOf(images[0]!.id), { host: ['b'] }), {
      code: 'image-missing',
    });
    for (const name of ['', 'latest~', 'newest', '~1', 'abcg', `${'0'.repeat(65)}`])
      await assert.rejects(resolveImage(context, name), { code: 'usage' });
  });

  it('resolveImage() names the candidates of an ambiguous id', async () => {
    const many = await SmallRepository.create();
    const made: Image[] = [];
    for (let i = 0; i < 17; i++) made.push(await many.commit({ '/f': 'x' }));
    // Seventeen ids begin with sixteen digits: two begin alike.
    const ids = made.map(({ id }) => hexOf(id));
    const digit = ids.find((id, i) => ids.some((other, j) => i !== j && other[0] === id[0]))![0]!;
    await assert.rejects(resolveImage(many.context(), digit), (error: Error & { code: string }) => {
      assert.equal(error.code, 'image-ambiguous');
      for (const id of ids.filter((id) => id.startsWith(digit)).slice(0, 10))
        assert.match(error.message, new RegExp(id.slice(0, 8)));
      return true;
    });
  });

  it('selectImages() reports what cannot be read and gives the rest', async () => {
    const damaged = await SmallRepository.create();
    const [first] = [await damaged.commit({ '/f': '1' }), await damaged.commit({ '/f': '2' })];
    const name = [...damaged.store.objects.keys()].find(
      (name) => name.startsWith('manifests/') && name.endsWith('2'),
    )!;
    damaged.store.objects.get(name)![40]! ^= 1;
    assert.deepEqual(
      (await selectImages(damaged.context())).map(({ id }) => hexOf(id)),
      [hexOf(first!.id)],
    );
    assert.deepEqual(
      damaged.problems.map(({ item, during }) => [item, during]),
      [[name, 'read']],
    );
  });

  it('absolutePath() makes every spelling of a path the same', () => {
    for (const path of ['/a/b', 'a/b', '//a//b/', '/a/./b', '/a/c/../b'])
      assert.equal(absolutePath(path), '/a/b');
    for (const path of ['/', '', '.', '/..', '//']) assert.equal(absolutePath(path), '/');
  });
});
