import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { EntryType, type Piece } from '../format/mod.ts';
import type { Image } from '../repository/mod.ts';
import { type MapRow, type MapTotals, mapFile } from './map.ts';
import { SmallRepository } from './testing/small-repository.ts';

describe('mapFile()', () => {
  let small: SmallRepository;
  let old: Image;

  before(async () => {
    small = await SmallRepository.create();
    old = await small.commit({
      '/f': ['aaaa', 1000, 'bbbbbb', 'cc'],
      '/folder/x': 'x',
      '/long': Array.from({ length: 500 }, (_, i) => `block ${i}`),
    });
  });

  async function map(
    image: Image,
    path: string,
    against?: Image,
  ): Promise<{ rows: MapRow[]; totals: MapTotals }> {
    const generator = mapFile(small.context(), image, path, { against });
    const rows: MapRow[] = [];
    for (;;) {
      const next = await generator.next();
      if (next.done) return { rows, totals: next.value };
      rows.push(next.value);
    }
  }

  const chunkOf = (text: string): Buffer => small.repository.secrets.chunkId(Buffer.from(text));
  const brief = ({ offset, length, slice, against }: MapRow) => [
    offset,
    length,
    slice?.offset ?? 'hole',
    against === undefined ? '' : against.state === 'new' ? 'new' : against.shift,
  ];

  it('gives the pieces of a file with their places in the repository', async () => {
    const { rows, totals } = await map(old, '/f');
    assert.deepEqual(rows.map(brief), [
      [0, 4, 0, ''],
      [4, 1000, 'hole', ''],
      [1004, 6, 0, ''],
      [1010, 2, 0, ''],
    ]);
    assert.equal(rows[0]!.slice!.chunk, chunkOf('aaaa').toString('hex'));
    const place = small.repository.index.find(chunkOf('aaaa'))!;
    assert.deepEqual(rows[0]!.slice!.place, {
      pack: Buffer.from(place.pack).toString('hex'),
      offset: place.offset,
      length: place.length,
    });
    assert.deepEqual(totals, {
      size: 1012,
      pieces: 4,
      holeBytes: 1000,
      dataBytes: 12,
      chunks: 3,
      referencedBytes: undefined,
      newBytes: undefined,
    });
  });

  it('tells what is new and what is referenced, and how far it moved', async () => {
    const fresh = await small.commit({ '/f': ['new', 'aaaa', 1000, 'cc', 'bbbbbb'] });
    const { rows, totals } = await map(fresh, '/f', old);
    assert.deepEqual(rows.map(brief), [
      [0, 3, 0, 'new'],
      [3, 4, 0, 3],
      [7, 1000, 'hole', ''],
      [1007, 2, 0, -3],
      [1009, 6, 0, 5],
    ]);
    assert.deepEqual([totals.newBytes, totals.referencedBytes], [3, 12]);
  });

  it('parts a piece of which the other image uses only slices', async () => {
    const piece = (offset: number, length: number): Piece => ({ chunk: chunkOf('bbbbbb'), offset, length });
    const file = { type: EntryType.file, fingerprint: Buffer.alloc(32) };
    const parts = await small.commit({ '/f': { ...file, content: { pieces: [piece(1, 2), piece(4, 1)] } } });
    const whole = await small.commit({ '/f': { ...file, content: { pieces: [piece(0, 6)] } } });
    const { rows, totals } = await map(whole, '/f', parts);
    assert.deepEqual(rows.map(brief), [
      [0, 1, 0, 'new'],
      [1, 2, 1, 1],
      [3, 1, 3, 'new'],
      [4, 1, 4, 2],
      [5, 1, 5, 'new'],
    ]);
    assert.deepEqual([totals.pieces, totals.newBytes, totals.referencedBytes], [1, 3, 3]);
  });

  it('takes, of several places of the same bytes, the one that moved as its neighbours', async () => {
    const a = await small.commit({ '/f': ['zz', 'aa', 'zz', 'bb', 'zz'] });
    const b = await small.commit({ '/f': ['!!', 'zz', 'aa', 'zz', 'bb', 'zz'] });
    assert.deepEqual(
      (await map(b, '/f', a)).rows.map((row) => brief(row)[3]),
      ['new', 2, 2, 2, 2, 2].map((shift, i) => (i === 1 ? 2 : shift)),
    );
    assert.deepEqual(
      (await map(a, '/f', a)).rows.map((row) => brief(row)[3]),
      [0, 0, 0, 0, 0],
    );
  });

  it('maps a long file, against itself and against an image that does not hold it', async () => {
    const other = await small.commit({ '/x': 'x' });
    const { rows, totals } = await map(old, '/long', old);
    assert.equal(rows.length, 500);
    assert.deepEqual([totals.newBytes, totals.referencedBytes], [0, totals.size]);
    assert.equal((await map(old, '/long', other)).totals.referencedBytes, 0);
  });

  it('refuses what is no file or is not there', async () => {
    await assert.rejects(map(old, '/folder'), { code: 'usage', message: /"\/folder": it is no file/ });
    await assert.rejects(map(old, '/none'), { code: 'path-missing' });
  });
});
