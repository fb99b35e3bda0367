import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bloomMayHold,
  decodeSegmentRow,
  decodeTable,
  encodeSegmentRows,
  encodeTable,
  findRow,
  SEGMENT_ROW_BYTES,
} from './sorted-table.ts';
import { bytes } from './testing/arbitraries.ts';
import { codecs, digest } from './testing/codecs.ts';
import { readPage, vectorOf } from './testing/pages.ts';

const uniformId = bytes(32);
/** Ids that hash functions do not make, but whoever means harm does: all alike but for a byte. */
const crowdedId = fc.tuple(fc.nat(3), fc.nat(255)).map(([place, value]) => {
  const id = Buffer.alloc(32, 0x55);
  id[[0, 3, 8, 31][place]!] = value;
  return id;
});

function tableOf(ids: readonly Buffer[]) {
  const sorted = ids.toSorted(Buffer.compare);
  const rows = sorted.map((id, number) => ({ id, pack: 0, offset: number, length: 1, kind: 1 }));
  const pack = { name: Buffer.alloc(16, 7), bytes: 1000 };
  return encodeTable(SEGMENT_ROW_BYTES, encodeSegmentRows(rows), [pack], digest);
}

for (const [kind, id] of [
  ['uniform', uniformId],
  ['crowded', crowdedId],
] as const) {
  test(`a table of ${kind} ids finds what a map finds, and its filter denies nothing that is there`, () => {
    const ids = fc.uniqueArray(id, { maxLength: 60, selector: (value) => value.toString('hex') });
    fc.assert(
      fc.property(ids, fc.array(id, { maxLength: 20 }), (present, others) => {
        const map = new Set(present.map((value) => value.toString('hex')));
        const { rows, bloom } = decodeTable(tableOf(present), SEGMENT_ROW_BYTES, digest);
        for (const wanted of [...present, ...others]) {
          const row = findRow(rows, SEGMENT_ROW_BYTES, wanted);
          assert.equal(row >= 0, map.has(wanted.toString('hex')));
          if (row < 0) continue;
          assert.deepEqual(decodeSegmentRow(rows, row).id, wanted);
          assert.ok(bloomMayHold(bloom, wanted));
        }
      }),
      { numRuns: 300 },
    );
  });
}

test('the filter lets about one absent id in a hundred pass', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => digest(Buffer.from(String(i))));
  const { bloom } = decodeTable(tableOf(ids.slice(0, 10_000)), SEGMENT_ROW_BYTES, digest);
  const passed = ids.slice(10_000).filter((id) => bloomMayHold(bloom, id)).length;
  assert.ok(passed < 200, `${passed} of 10,000`);
});

test('a table without rows holds nothing', () => {
  const { rows, bloom } = decodeTable(tableOf([]), SEGMENT_ROW_BYTES, digest);
  assert.equal(findRow(rows, SEGMENT_ROW_BYTES, Buffer.alloc(32)), -1);
  assert.equal(bloomMayHold(bloom, Buffer.alloc(32)), false);
});

test('rows out of order, or twice, are refused', () => {
  const id = Buffer.alloc(32, 1);
  const row = { id, pack: 0, offset: 0, length: 1, kind: 1 };
  for (const rows of [
    [row, row],
    [row, { ...row, id: Buffer.alloc(32) }],
  ]) {
    const table = encodeTable(SEGMENT_ROW_BYTES, encodeSegmentRows(rows), [], digest);
    assert.throws(() => decodeTable(table, SEGMENT_ROW_BYTES, digest), { code: 'damaged', message: /order/ });
  }
});

test('a filter of another size than the rows call for is refused, since it would deny some', () => {
  const { bytes: table } = vectorOf(readPage('segment.md'), 'segment');
  const without = Buffer.concat([table.subarray(0, -40), Buffer.alloc(32)]);
  without.writeUInt32LE(0, 16);
  digest(without.subarray(0, -32)).copy(without, without.length - 32);
  assert.throws(() => codecs.segment!.decode(without), { code: 'damaged', message: /head/ });
});

test('a table of other rows, or of a later version, is told apart', () => {
  const { bytes: table } = vectorOf(readPage('segment.md'), 'segment');
  assert.throws(() => decodeTable(table, 44, digest), { code: 'damaged' });
  const later = Buffer.from(table);
  later[4] = 2;
  assert.throws(() => codecs.segment!.decode(later), { code: 'repository-newer' });
});
