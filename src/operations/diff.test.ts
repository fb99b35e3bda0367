import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { hexOf } from '../base/mod.ts';
import { ENTRY_ANCESTOR, EntryType } from '../format/mod.ts';
import type { Image } from '../repository/mod.ts';
import { type DiffOptions, type DiffStatistics, diffImages } from './diff.ts';
import { entryOf, SmallRepository } from './testing/small-repository.ts';

const block = (i: number) => `${i} `.repeat(400);
const blocks = (count: number) => Array.from({ length: count }, (_, i) => block(i));

describe('diffImages()', () => {
  let small: SmallRepository;
  let old: Image;
  let fresh: Image;

  before(async () => {
    small = await SmallRepository.create();
    const mtimeSeconds = 5;
    old = await small.commit({
      '/same': 'same',
      '/gone/file': 'gone',
      '/gone/pipe': { type: EntryType.fifo },
      '/file': 'before',
      '/rot': 'before',
      '/touched': { mtimeSeconds },
      '/turned': 'a file',
      '/long': blocks(300),
      '/way': { flags: ENTRY_ANCESTOR, mtimeSeconds },
    });
    fresh = await small.commit({
      '/same': 'same',
      '/new/file': 'new',
      '/file': 'after',
      '/rot': 'after!',
      '/touched': { mtimeSeconds: 6 },
      '/turned': { type: EntryType.symlink, target: 'x' },
      '/long': [...blocks(150), 'inserted', ...blocks(300).slice(150)],
      '/way': { flags: ENTRY_ANCESTOR, mtimeSeconds: 7 },
    });
  });

  async function diff(
    options: DiffOptions = {},
    [a, b] = [old, fresh],
  ): Promise<{ lines: string[]; statistics: DiffStatistics }> {
    const changes = diffImages(small.context(), a!, b!, options);
    const lines: string[] = [];
    for (;;) {
      const next = await changes.next();
      if (next.done) return { lines: lines.sort(), statistics: next.value };
      lines.push(`${next.value.path} ${next.value.modifier}`);
    }
  }

  it('names every path that differs and how', async () => {
    const { lines } = await diff();
    assert.deepEqual(lines, [
      '/file M?',
      '/gone -',
      '/gone/file -',
      '/gone/pipe -',
      '/long M?',
      '/new +',
      '/new/file +',
      '/rot M?',
      '/turned T',
    ]);
  });

  it('names changed metadata when asked to, but not the times of folders on the way', async () => {
    const { lines } = await diff({ metadata: true });
    assert.ok(lines.includes('/touched U'));
    assert.ok(lines.includes('/turned TU'));
    assert.ok(!lines.some((line) => line.startsWith('/way') || line.startsWith('/same')));
  });

  it('doubts only a content that changed while everything else stayed', async () => {
    const a = await small.commit({ '/f': { ...(await entryAtOf(old, '/file')), mtimeSeconds: 1 } });
    const b = await small.commit({ '/f': { ...(await entryAtOf(fresh, '/file')), mtimeSeconds: 2 } });
    assert.deepEqual((await diff({}, [a, b])).lines, ['/f M']);
  });

  async function entryAtOf(image: Image, path: string) {
    for (const other of [old, fresh].filter((other) => other !== image)) {
      for await (const { path: found, before, after } of diffImages(small.context(), image, other))
        if (found === path) return (before ?? after)!;
    }
    return entryOf({});
  }

  it('counts like restic: files changed, what was added, what was removed', async () => {
    const { statistics } = await diff();
    assert.equal(statistics.source_snapshot, hexOf(old.id));
    assert.equal(statistics.target_snapshot, hexOf(fresh.id));
    assert.equal(statistics.changed_files, 3);
    const { bytes: addedBytes, tree_blobs: addedNodes, ...added } = statistics.added;
    const { bytes: removedBytes, tree_blobs: removedNodes, ...removed } = statistics.removed;
    // Chunks added: new, after, after!, inserted; removed: gone, before (twice the same), a file.
    assert.deepEqual(added, { files: 1, dirs: 1, others: 0, data_blobs: 4 });
    assert.deepEqual(removed, { files: 1, dirs: 1, others: 1, data_blobs: 3 });
    assert.ok(addedBytes > 0 && removedBytes > 0);
    assert.ok(addedNodes >= 2 && addedNodes < 6 && removedNodes >= 2, `${addedNodes} ${removedNodes}`);
  });

  it('finds nothing between an image and itself', async () => {
    const { lines, statistics } = await diff({ metadata: true }, [old, old]);
    assert.deepEqual(lines, []);
    const nothing = { files: 0, dirs: 0, others: 0, data_blobs: 0, tree_blobs: 0, bytes: 0 };
    assert.deepEqual([statistics.changed_files, statistics.added, statistics.removed], [0, nothing, nothing]);
  });

  it('stays below a path', async () => {
    assert.deepEqual((await diff({ path: '/gone' })).lines, ['/gone -', '/gone/file -', '/gone/pipe -']);
    assert.deepEqual((await diff({ path: '/same' })).lines, []);
    await assert.rejects(diff({ path: '/nowhere' }), { code: 'path-missing' });
  });

  it('takes the same bytes in other pieces for no change', async () => {
    const a = await small.commit({ '/f': ['abc', 'def'] });
    const b = await small.commit({ '/f': ['ab', 'cdef'] });
    assert.deepEqual((await diff({ metadata: true }, [a, b])).lines, []);
  });

  it('reads only nodes that differ', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 4000 }, (_, i) => [`/d${i % 40}/f${i}`, { mtimeSeconds: i }]),
    );
    const a = await small.commit(many);
    const b = await small.commit({ ...many, '/d7/f7': { mtimeSeconds: -1 } });
    await small.reopen();
    assert.deepEqual((await diff({ metadata: true }, [a, b])).lines, ['/d7/f7 U']);
    assert.ok(small.repository.frames.read.nodes <= 6, `${small.repository.frames.read.nodes} nodes read`);
  });
});
