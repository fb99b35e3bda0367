import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexOf } from '../base/mod.ts';
import { decodeFrame, FrameKind } from '../format/mod.ts';
import { exportImage } from './export.ts';
import { block, manyBlocks } from './testing/checked-repository.ts';
import { SmallRepository } from './testing/small-repository.ts';
import { exported, recordsOf } from './testing/streams.ts';

const ITEMS = { '/a': 'same', '/b': ['same', block(1)], '/c/long': manyBlocks, '/d/copy': manyBlocks };

test('each frame comes once, after all that it names, and after the key that seals it', async () => {
  const small = await SmallRepository.create();
  await small.commit({ '/a': 'same' });
  const image = await small.commit(ITEMS);
  const come = new Set<string>();
  const keys = new Set<string>();
  for (const record of recordsOf(await exported(small, image))) {
    if (record.type === 'key') keys.add('key');
    if (record.type !== 'data' && record.type !== 'node') continue;
    const { kind, id, chunks, nodes } = decodeFrame(record.frame).header;
    assert.ok(kind === FrameKind.contentNode || keys.size > 0);
    for (const named of [...chunks.map(({ id }) => id), ...nodes]) assert.ok(come.has(hexOf(named)));
    assert.ok(!come.has(hexOf(id)), 'twice');
    come.add(hexOf(id));
  }
  assert.ok(come.has(hexOf(image.header.indexRoot)));
});

test('the summary counts what the stream has', async () => {
  const small = await SmallRepository.create();
  const base = await small.commit(ITEMS);
  const image = await small.commit({ ...ITEMS, '/e': 'new' });
  let bytes = 0;
  const write = async (piece: Uint8Array) => {
    bytes += piece.length;
  };
  const summary = await exportImage(await small.reopen(), image, { base, write });
  const records = recordsOf(await exported(small, image, base));
  const count = (wanted: string) => records.filter(({ type }) => type === wanted).length;
  assert.deepEqual(summary, {
    image: hexOf(image.id),
    base: hexOf(base.id),
    chunks: count('data'),
    nodes: count('node'),
    references: count('ref'),
    segments: 2,
    bytes,
  });
  assert.equal(summary.chunks, 1);
});

test('an export holds its images while it reads them, and no longer', async () => {
  const small = await SmallRepository.create();
  const base = await small.commit(ITEMS);
  const image = await small.commit({ ...ITEMS, '/e': 'new' });
  const reading = () => [...small.store.objects.keys()].filter((name) => name.endsWith('.read')).length;
  let most = 0;
  const write = async () => {
    most = Math.max(most, reading());
  };
  await exportImage(await small.reopen(), image, { base, write });
  assert.equal(most, 2);
  assert.equal(reading(), 0);
});

test('an interrupted export ends at once', async () => {
  const small = await SmallRepository.create();
  const image = await small.commit(ITEMS);
  const context = { ...(await small.reopen()), signal: AbortSignal.abort() };
  await assert.rejects(exportImage(context, image, { write: async () => {} }), { code: 'interrupted' });
});
