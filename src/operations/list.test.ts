import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { EntryType } from '../format/mod.ts';
import type { Image } from '../repository/mod.ts';
import { listImage } from './list.ts';
import { all, SmallRepository } from './testing/small-repository.ts';

describe('listImage()', () => {
  let small: SmallRepository;
  let image: Image;

  before(async () => {
    small = await SmallRepository.create();
    const items = {
      '/srv/a/one': '1',
      '/srv/a/sub/two': '2',
      '/srv/b': '3',
      '/home/x/link': { type: EntryType.symlink, target: 'y' },
    };
    image = await small.commit(items, { paths: ['/home/x', '/srv/a', '/srv/b', '/srv/gone'] });
  });

  async function paths(path?: string, recursive = false): Promise<string[]> {
    return (await all(listImage(small.context(), image, path, { recursive }))).map(({ path }) => path);
  }

  it('lists the folders that were backed up, and files themselves', async () => {
    assert.deepEqual(await paths(), ['/home/x/link', '/srv/a/one', '/srv/a/sub', '/srv/b']);
    assert.match(small.notices[0]!, /"\/srv\/gone" is not in image/);
  });

  it('lists one folder, or one file', async () => {
    assert.deepEqual(await paths('/srv'), ['/srv/a', '/srv/b']);
    assert.deepEqual(await paths('/srv/a/sub'), ['/srv/a/sub/two']);
    assert.deepEqual(await paths('/srv/b'), ['/srv/b']);
    assert.deepEqual(await paths('/'), ['/home', '/srv']);
  });

  it('lists everything below, and without a path the whole image', async () => {
    assert.deepEqual(await paths('/srv/a', true), ['/srv/a', '/srv/a/one', '/srv/a/sub', '/srv/a/sub/two']);
    assert.deepEqual(await paths('/srv/b', true), ['/srv/b']);
    assert.deepEqual((await paths(undefined, true)).length, 10);
  });

  it('rejects a path that the image does not hold', async () => {
    for (const recursive of [true, false])
      await assert.rejects(paths('/srv/c', recursive), { code: 'path-missing', message: /"\/srv\/c"/ });
  });

  it('stops when it is interrupted', async () => {
    const context = small.context({ signal: AbortSignal.abort() });
    await assert.rejects(all(listImage(context, image, '/')), { code: 'interrupted' });
  });
});
