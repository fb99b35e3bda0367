import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SLAB_BYTES } from './crew.ts';
import { FileState } from './file-list.ts';
import type { FrameRef } from './frames.ts';
import { Batcher, batchesOf, fitsInSlab, type Slice, type WantedFile } from './plan.ts';

function frame(pack: string, offset: number, length = 1_000_000): FrameRef {
  return {
    id: Buffer.alloc(32),
    key: `${pack} ${offset}`,
    pack: Buffer.from(pack),
    packKey: pack,
    offset,
    length,
  };
}

function slice(of: FrameRef, offset = 0): Slice {
  return { frame: of, offset, length: 10, position: 0 };
}

function file(path: string): WantedFile {
  return {
    path,
    place: { folder: '', name: path },
    value: Buffer.alloc(0),
    content: undefined,
    size: 10,
    linkGroup: undefined,
    isLocked: false,
    state: FileState.fresh,
  };
}

test('batchesOf() brings files together that share a chunk, wherever they are in the tree', () => {
  const [a, b] = [frame('p', 5_000_000), frame('p', 0)];
  const batches = batchesOf([
    { file: file('1'), slices: [slice(a)] },
    { file: file('2'), slices: [slice(b)] },
    { file: file('3'), slices: [slice(a, 20)] },
    { file: file('4'), slices: [] },
  ]);
  assert.deepEqual(
    batches.map(({ frames, items }) => [
      frames.map(({ offset }) => offset),
      items.map(({ item }) => item.path),
    ]),
    [
      [
        [0, 5_000_000],
        ['4', '2', '1', '3'],
      ],
    ],
  );
  assert.deepEqual(batches[0]!.items.at(-1)!.fields, [1, 20, 10, 0]);
});

test('batchesOf() never parts a file from one of its chunks, and takes each chunk once', () => {
  const frames = Array.from({ length: 20 }, (_, i) => frame('p', i * 1_000_000));
  const files = frames
    .slice(1)
    .map((last, i) => ({ file: file(`${i}`), slices: [slice(frames[i]!), slice(last)] }));
  const batches = batchesOf(files);
  assert.ok(batches.length > 5);
  for (const { frames, items } of batches) {
    assert.equal(new Set(frames.map(({ key }) => key)).size, frames.length);
    for (const { fields } of items)
      assert.ok(frames[fields[0]!] !== undefined && frames[fields[4]!] !== undefined);
  }
  assert.equal(batches.flatMap(({ items }) => items).length, 19);
});

test('a batch holds a bounded number of files', () => {
  const batcher = new Batcher<number>();
  const full = Array.from({ length: 2048 }, (_, i) => batcher.add(i, [])).filter(
    (batch) => batch !== undefined,
  );
  assert.deepEqual(
    full.map(({ items }) => items.length),
    [1024],
  );
  assert.equal(batcher.finish()!.items.length, 1024);
  assert.equal(batcher.finish(), undefined);
});

test('fitsInSlab() counts each chunk once', () => {
  const half = frame('p', 0, SLAB_BYTES / 2 + 1);
  assert.ok(fitsInSlab([slice(half), slice(half, 10)]));
  assert.ok(!fitsInSlab([slice(half), slice(frame('p', 9, SLAB_BYTES / 2))]));
});
