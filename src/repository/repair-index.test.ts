import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { isEverfullError, systemClock } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  encodeSegmentRows,
  encodeTable,
  SEGMENT_ROW_BYTES,
  type SegmentRow,
  type TablePack,
} from '../format/mod.ts';
import { encodeSegment, readPackTable } from './chunk-index.ts';
import { listPacks } from './condemned.ts';
import { readDamaged } from './damaged.ts';
import { damagedName, packName, segmentName } from './names.ts';
import { repairIndex } from './repair-index.ts';
import { addChunk, commitEmpty, makeRepository, openSession } from './testing/hand-made.ts';
import type { WatchedStore } from './testing/watched-store.ts';

describe('repairIndex()', () => {
  let store: WatchedStore;
  let packs: TablePack[];
  let whole: Map<string, Buffer>;

  beforeEach(async () => {
    const made = await makeRepository();
    store = made.store;
    for (let image = 0; image < 2; image++) {
      const session = await openSession(made.repository);
      for (let i = 0; i < 3; i++) addChunk(made.repository, session, Buffer.from(`chunk ${image} ${i}`));
      await commitEmpty(made.repository, session);
    }
    packs = [...(await listPacks(store)).values()];
    whole = copyOf(store);
  });

  function copyOf({ objects }: WatchedStore): Map<string, Buffer> {
    return new Map([...objects].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  }

  const run = (dryRun = false) => repairIndex(store, { clock: systemClock, dryRun, checkpoint: () => {} });

  /** Repairs, after a dry run that may change nothing, and wants the index to be what it was. */
  async function repaired() {
    const before = copyOf(store);
    const planned = await run(true);
    assert.deepEqual(copyOf(store), before);
    const done = await run();
    assert.deepEqual(
      [done.wrong.map(({ object }) => object), done.uncovered],
      [planned.wrong.map(({ object }) => object), planned.uncovered],
    );
    assert.deepEqual(copyOf(store), whole);
    const again = await run();
    assert.deepEqual([again.wrong, again.uncovered, again.unreadable], [[], [], []]);
    return done;
  }

  async function segmentOf(pack: TablePack, change: (row: SegmentRow, i: number) => SegmentRow | undefined) {
    const rows = (await readPackTable(store, pack)).toSorted((a, b) => Buffer.compare(a.id, b.id));
    const changed = rows.map((row, i) => change({ ...row, pack: 0 }, i)).filter((row) => row !== undefined);
    return encodeTable(SEGMENT_ROW_BYTES, encodeSegmentRows(changed), [pack], digest);
  }

  it('leaves alone an index that is right', async () => {
    const { wrong, uncovered, unreadable, segments } = await repaired();
    assert.deepEqual([wrong, uncovered, unreadable, segments], [[], [], [], packs.length]);
  });

  it('writes segments that are missing', async () => {
    for (const { name } of packs) store.objects.delete(segmentName(name));
    const { uncovered } = await repaired();
    assert.deepEqual(uncovered, packs.map(({ name }) => packName(name)).sort());
  });

  it('replaces segments that are damaged', async () => {
    const [first, second] = packs.map(({ name }) => segmentName(name));
    store.objects.get(first!)![30]! ^= 1;
    store.objects.set(second!, Buffer.alloc(0));
    const { wrong } = await repaired();
    assert.deepEqual(
      wrong.map(({ object }) => object),
      [first!, second!].sort(),
    );
  });

  it('replaces segments that place frames where they are not, or leave some out', async () => {
    const changes: ((row: SegmentRow, i: number) => SegmentRow | undefined)[] = [
      (row, i) => (i === 0 ? { ...row, offset: row.offset + 1 } : row),
      (row, i) => (i === 0 ? { ...row, kind: 2 } : row),
      (row, i) => (i === 0 ? { ...row, pack: 7 } : row),
      (row, i) => (i === 0 ? undefined : row),
    ];
    const bytesOf = ({ name }: TablePack) => whole.get(segmentName(name))!.length;
    const pack = packs.toSorted((a, b) => bytesOf(b) - bytesOf(a))[0]!;
    for (const change of changes) {
      store.objects.set(segmentName(pack.name), await segmentOf(pack, change));
      const { wrong } = await repaired();
      assert.deepEqual(
        wrong.map(({ object }) => object),
        [segmentName(pack.name)],
      );
    }
  });

  it('deletes segments of packs that are gone', async () => {
    const gone = { name: Buffer.alloc(16, 5), bytes: 1000 };
    store.objects.set(segmentName(gone.name), encodeSegment(gone, await readPackTable(store, packs[0]!)));
    const { wrong } = await repaired();
    assert.deepEqual(
      wrong.map(({ object }) => object),
      [segmentName(gone.name)],
    );
  });

  it('records what a segment that it deletes was the last to know of', async () => {
    const gone = { name: Buffer.alloc(16, 5), bytes: 1000 };
    const [row] = await readPackTable(store, packs[0]!);
    const id = Buffer.alloc(32, 9);
    store.objects.set(segmentName(gone.name), encodeSegment(gone, [{ ...row!, id }]));
    await run();
    const damaged = await readDamaged(store);
    assert.equal(damaged.size, 1);
    assert.ok(damaged.has(id, gone.name));
  });

  it('writes what is missing before it deletes a segment that stands for several packs, one of them gone', async () => {
    const rows = await Promise.all(packs.map((pack) => readPackTable(store, pack)));
    const merged = rows
      .flatMap((some, pack) => some.map((row) => ({ ...row, pack })))
      .sort((a, b) => Buffer.compare(a.id, b.id))
      .filter(({ id }, i, all) => i === 0 || !Buffer.from(id).equals(all[i - 1]!.id));
    const gone = { name: Buffer.alloc(16, 6), bytes: 1 };
    const table = encodeTable(SEGMENT_ROW_BYTES, encodeSegmentRows(merged), [...packs, gone], digest);
    for (const { name } of packs) store.objects.delete(segmentName(name));
    store.objects.set(segmentName(gone.name), table);
    const remove = store.delete.bind(store);
    store.delete = async (name) => {
      for (const pack of packs) assert.ok(store.objects.has(segmentName(pack.name)), 'written before');
      await remove(name);
    };
    await repaired();
  });

  it('keeps a right segment that stands for several packs', async () => {
    const rows = await Promise.all(packs.map((pack) => readPackTable(store, pack)));
    const merged = rows
      .flatMap((some, pack) => some.map((row) => ({ ...row, pack })))
      .sort((a, b) => Buffer.compare(a.id, b.id))
      .filter(({ id }, i, all) => i === 0 || !Buffer.from(id).equals(all[i - 1]!.id));
    for (const { name } of packs) store.objects.delete(segmentName(name));
    store.objects.set(
      segmentName(packs[0]!.name),
      encodeTable(SEGMENT_ROW_BYTES, encodeSegmentRows(merged), packs, digest),
    );
    whole = copyOf(store);
    await repaired();
  });

  it('keeps the segment of a pack whose own table is lost, and names a pack of which nobody knows', async () => {
    const name = packName(packs[0]!.name);
    store.objects.set(name, whole.get(name)!.subarray(0, 100));
    whole = copyOf(store);
    const kept = await repaired();
    assert.deepEqual(kept.unreadable, []);
    store.objects.delete(segmentName(packs[0]!.name));
    const lost = await run();
    assert.deepEqual([lost.uncovered, lost.unreadable.map(({ object }) => object)], [[], [name]]);
  });

  it('deletes a record of damage that cannot be read: it keeps everybody from building on anything', async () => {
    store.objects.set(damagedName(Buffer.alloc(16, 3)), Buffer.from('rotten'));
    const { wrong } = await repaired();
    assert.deepEqual(
      wrong.map(({ object }) => object),
      [damagedName(Buffer.alloc(16, 3))],
    );
  });

  it('does not touch what a newer version wrote', async () => {
    const name = segmentName(packs[0]!.name);
    store.objects.get(name)![4] = 2;
    const before = copyOf(store);
    await assert.rejects(run(), (error) => isEverfullError(error, 'repository-newer'));
    assert.deepEqual(copyOf(store), before);
  });
});
