import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntryType } from '../format/mod.ts';
import { repositoryStats } from './stats.ts';
import { SmallRepository } from './testing/small-repository.ts';

describe('repositoryStats()', () => {
  it('sums images and objects', async () => {
    const small = await SmallRepository.create();
    const blocks = Array.from({ length: 50 }, (_, i) => `block ${i} `.repeat(50));
    const body = { bytesAdded: 3000, bytesAddedStored: 1000 };
    const items = { '/a': '12345', '/folder/long': blocks, '/folder/hole': [1_000_000] };
    const images = [
      await small.commit(items, { body }),
      await small.commit({ ...items, '/b': '123' }, { body }),
    ];
    const stats = await repositoryStats(await small.reopen(), images);
    const size = 5 + blocks.join('').length + 1_000_000;
    assert.equal(stats.snapshots_count, 2);
    assert.equal(stats.total_size, size * 2 + 3);
    assert.equal(stats.total_file_count, 5 + 6);
    assert.equal(stats.total_uncompressed_size, 6000);
    assert.equal(stats.compression_ratio, 3);
    assert.equal(Math.round(stats.compression_space_saving), 67);
    assert.deepEqual([stats.chunks.count, stats.index_nodes.count, stats.content_nodes.count], [52, 2, 1]);
    assert.equal(stats.total_blob_count, 55);
    assert.equal(stats.objects_count, small.store.objects.size);
    assert.equal(
      stats.stored_size,
      [...small.store.objects.values()].reduce((sum, { length }) => sum + length, 0),
    );
    assert.equal(
      stats.packs_count,
      [...small.store.objects.keys()].filter((name) => name.startsWith('packs/')).length,
    );
    assert.ok(stats.chunks.size + stats.index_nodes.size + stats.content_nodes.size < stats.packs_size);
  });

  it('counts the bytes of hard links once an image', async () => {
    const small = await SmallRepository.create();
    const file = {
      type: EntryType.file,
      fingerprint: Buffer.alloc(32),
      content: { pieces: [{ length: 1000, chunk: undefined, offset: 0 }] },
      linkGroup: '/a',
    };
    const image = await small.commit({ '/a': file, '/b': file, '/d/c': file });
    assert.equal((await repositoryStats(small.context(), [image, image])).total_size, 2000);
  });

  it('reads nodes that images share once', async () => {
    const small = await SmallRepository.create();
    const many = Object.fromEntries(
      Array.from({ length: 3000 }, (_, i) => [`/d${i % 40}/f${i}`, { mtimeSeconds: i }]),
    );
    const images = [
      await small.commit(many),
      await small.commit(many),
      await small.commit({ ...many, '/d1/f1': {} }),
    ];
    const context = await small.reopen();
    await repositoryStats(context, images);
    assert.equal(small.repository.frames.read.nodes, [...small.repository.index.all()].length);
  });

  it('has figures for an empty repository', async () => {
    const stats = await repositoryStats((await SmallRepository.create()).context(), []);
    assert.deepEqual(
      [stats.snapshots_count, stats.total_size, stats.compression_ratio, stats.deduplication_ratio],
      [0, 0, 1, 1],
    );
  });
});
