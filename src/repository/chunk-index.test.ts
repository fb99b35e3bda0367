import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalBytes, hexOf } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { digest } from '../crypto/mod.ts';
import {
  encodePackHeader,
  encodePackTable,
  FrameKind,
  PACK_HEADER_BYTES,
  type PackRow,
} from '../format/mod.ts';
import { MemoryStore } from '../store/mod.ts';
import { ChunkIndex, eachAtOnce, encodeSegment } from './chunk-index.ts';
import { packName, segmentName } from './names.ts';

function rowsOf(seeds: readonly number[]): PackRow[] {
  let offset = PACK_HEADER_BYTES;
  return seeds.map((seed) => {
    const length = 100 + (seed % 50);
    const row = {
      id: noise(32, seed),
      kind: FrameKind.chunk,
      offset,
      length,
      digest: noise(32, seed + 1),
    };
    offset += length;
    return row;
  });
}

/** Puts a pack whose frames are zeros, and its segment. */
async function putPack(store: MemoryStore, number: number, seeds: readonly number[]) {
  const rows = rowsOf(seeds);
  const name = Buffer.alloc(16, number);
  const frames = Buffer.alloc(rows.reduce((sum, { length }) => sum + length, 0));
  const parts = [encodePackHeader(Buffer.alloc(16)), frames, encodePackTable(rows, digest)];
  const pack = { name, bytes: parts.reduce((sum, part) => sum + part.length, 0) };
  await store.putIfAbsent(packName(name), parts);
  await store.putIfAbsent(segmentName(name), [encodeSegment(pack, rows)]);
  return { name, rows, pack };
}

test('an index finds what was added and nothing else, however full it is', () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(5000), { maxLength: 900 }), { maxLength: 4 }), (packs) => {
      const index = new ChunkIndex(new MemoryStore());
      const expected = new Map<string, { pack: number; offset: number; length: number }>();
      const packsOf = new Map<string, number[]>();
      for (const [number, seeds] of packs.entries()) {
        const rows = rowsOf(seeds);
        index.addPack({ name: Buffer.alloc(16, number), bytes: 1 }, rows);
        for (const { id, offset, length } of rows) {
          if (!expected.has(hexOf(id))) expected.set(hexOf(id), { pack: number, offset, length });
          packsOf.set(hexOf(id), [...(packsOf.get(hexOf(id)) ?? []), number]);
        }
      }
      assert.equal(index.frames, packs.flat().length);
      for (const [id, numbers] of packsOf) {
        const places = index.places(Buffer.from(id, 'hex'));
        assert.deepEqual(
          places.map(({ pack }) => pack[0]),
          numbers,
        );
      }
      for (const [id, { pack, offset, length }] of expected) {
        const place = index.find(Buffer.from(id, 'hex'));
        assert.deepEqual([place?.pack[0], place?.offset, place?.length], [pack, offset, length]);
      }
      for (let seed = 6000; seed < 6050; seed++) assert.equal(index.has(noise(32, seed)), false);
      assert.deepEqual(new Set([...index.all()].map(({ id }) => hexOf(id))), new Set(expected.keys()));
    }),
    { numRuns: 8 },
  );
});

test('ids whose hashes collide are told apart', () => {
  const index = new ChunkIndex(new MemoryStore());
  const rows = Array.from({ length: 300 }, (_, i) => {
    const id = Buffer.alloc(32);
    id.writeUInt16LE(i, 30);
    return { ...rowsOf([1])[0], id, offset: i };
  });
  index.addPack({ name: Buffer.alloc(16), bytes: 1 }, rows);
  for (const { id, offset } of rows) assert.equal(index.find(id)?.offset, offset);
});

test('an index loads the segments that are new, and only those', async () => {
  const store = new MemoryStore();
  const first = await putPack(store, 1, [1, 2, 3]);
  const index = new ChunkIndex(store);
  await index.load();
  assert.ok(first.rows.every(({ id }) => index.has(id)));
  store.objects.delete(segmentName(first.name));
  const second = await putPack(store, 2, [4, 5]);
  await index.load();
  assert.equal(index.frames, 5);
  assert.deepEqual(index.find(second.rows[0].id)?.pack, second.name);
});

test('packs without a segment are recovered from their tables', async () => {
  const store = new MemoryStore();
  const packs = [];
  for (let number = 1; number <= 4; number++)
    packs.push(await putPack(store, number, [number * 10, number * 10 + 1]));
  store.objects.delete(segmentName(packs[0].name));
  store.objects.get(segmentName(packs[1].name))![30] ^= 1;
  store.objects.set(segmentName(packs[2].name), Buffer.alloc(3));
  const index = new ChunkIndex(store);
  await index.load();
  assert.equal(index.frames, 2, 'damaged segments are left to the recovery');
  await index.recover();
  for (const { rows, name } of packs) for (const { id } of rows) assert.deepEqual(index.find(id)?.pack, name);
});

test('packs whose tables are damaged are passed over, and the others recovered', async () => {
  const store = new MemoryStore();
  const packs = [];
  for (let number = 1; number <= 3; number++) packs.push(await putPack(store, number, [number]));
  for (const { name } of packs) store.objects.delete(segmentName(name));
  const bytes = store.objects.get(packName(packs[0].name))!;
  bytes[bytes.length - 50] ^= 1;
  store.objects.set(packName(packs[1].name), Buffer.alloc(5));
  const index = new ChunkIndex(store);
  await index.recover();
  assert.deepEqual(
    packs.map(({ rows }) => index.has(rows[0].id)),
    [false, false, true],
  );
});

test('a store that fails while the index loads is an error, not an empty index', async () => {
  const store = new MemoryStore();
  await putPack(store, 1, [1]);
  store.get = () => Promise.reject(Object.assign(new Error('EIO: no'), { code: 'EIO' }));
  await assert.rejects(new ChunkIndex(store).load(), /EIO/);
});

test('work on many items stops at the first failure, and ends with what is under way', async () => {
  const items = Array.from({ length: 100 }, (_, i) => i);
  let begun = 0;
  let underWay = 0;
  await assert.rejects(
    eachAtOnce(
      items,
      async (item) => {
        begun++;
        underWay++;
        await new Promise((resolve) => setImmediate(resolve));
        underWay--;
        if (item === 5) throw new Error('five');
      },
      4,
    ),
    /five/,
  );
  assert.equal(underWay, 0);
  assert.ok(begun <= 12, `${begun} were begun`);
});

test('a pack that is gone is missed once the store was looked at, and what lies elsewhere is found there', async () => {
  const store = new MemoryStore();
  const first = await putPack(store, 1, [1, 2]);
  const second = await putPack(store, 2, [2, 3]);
  const index = new ChunkIndex(store);
  await index.load();
  store.objects.delete(packName(first.name));
  const [only, both] = first.rows;
  assert.deepEqual(index.find(both!.id)?.pack, first.name);
  await index.recover();
  assert.equal(index.find(only!.id), undefined);
  assert.deepEqual(index.find(both!.id)?.pack, second.name);
  assert.equal([...index.all()].length, 2);
});

test('a session may build on what lies sound in a pack that was listed and that nobody condemned, and on what it adds', async () => {
  const store = new MemoryStore();
  const packs = [];
  for (let number = 1; number <= 4; number++) packs.push(await putPack(store, number, [number, 10]));
  const index = new ChunkIndex(store);
  await index.load();
  const [good, gone, condemned, damaged] = packs as [Put, Put, Put, Put];
  const there = new Map([good, condemned, damaged].map(({ name }) => [hexOf(name), name]));
  const frames = index.reusable(there, new Set([hexOf(condemned.name)]), {
    size: 1,
    has: (id, pack) => equalBytes(id, damaged.rows[0]!.id) && equalBytes(pack, damaged.name),
    ids: () => [],
    places: () => [],
  });
  assert.ok(frames.has(good.rows[0]!.id));
  for (const { rows } of [gone, condemned, damaged]) assert.ok(!frames.has(rows[0]!.id));
  assert.ok(frames.has(good.rows[1]!.id), 'one good place is enough');
  const added = await putPack(store, 5, [20]);
  await index.load();
  assert.ok(!frames.has(added.rows[0]!.id), 'what others added later was not listed');
  frames.addPack(added.pack, added.rows);
  assert.ok(frames.has(added.rows[0]!.id));
});

type Put = Awaited<ReturnType<typeof putPack>>;
