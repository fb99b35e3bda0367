import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc, { type Arbitrary } from 'fast-check';
import type { FrameHeader } from './frame.ts';
import { manifestBody, manifestHeader } from './manifest.ts';
import { struct } from './record.ts';
import { bytes, entry, id, ofType, path, piece } from './testing/arbitraries.ts';
import { codecs, recordCodecs } from './testing/codecs.ts';
import { ByteReader, ByteWriter, VARINT_MAX } from './wire.ts';

/** Bytes as plain Buffers, so that views of whatever kind compare as what they are. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

function roundTrips(name: string, values: Arbitrary<unknown>, numRuns = 200): void {
  test(`what ${name} encodes, it decodes`, () => {
    const { encode, decode } = codecs[name]!;
    fc.assert(
      fc.property(values, (value) => {
        assert.deepEqual(plain(decode(Buffer.from(encode(value)))), plain(value));
      }),
      { numRuns },
    );
  });
}

for (const [name, { fields }] of Object.entries(recordCodecs))
  roundTrips(name, ofType(struct(fields).name), 50);
roundTrips('manifestHeader', ofType(manifestHeader.name), 50);
roundTrips('manifestBody', ofType(manifestBody.name), 50);
roundTrips('entry', entry, 500);
roundTrips('varint', fc.record({ value: fc.oneof(fc.nat(), fc.integer({ min: 0, max: VARINT_MAX })) }));
roundTrips(
  'signed',
  fc.record({ value: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 })) }),
);
roundTrips('packHeader', fc.record({ secretsId: bytes(16) }));

const key = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 20 });
const sortedKeys = (least: number) =>
  fc
    .uniqueArray(key, { minLength: least, maxLength: 12 })
    .map((keys) => keys.toSorted((a, b) => (a < b ? -1 : 1)));
const child = fc.record({
  id,
  items: fc.integer({ min: 1, max: VARINT_MAX }),
  length: fc.integer({ min: 0, max: VARINT_MAX }),
});
const block = fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array));

roundTrips(
  'indexNode',
  fc.oneof(
    fc.tuple(sortedKeys(0), fc.infiniteStream(block)).map(([keys, values]) => ({
      level: 0,
      items: keys.map((key) => ({ key, value: values.next().value })),
    })),
    fc
      .tuple(fc.integer({ min: 1, max: 53 }), sortedKeys(1), fc.infiniteStream(child))
      .map(([level, keys, children]) => ({
        level,
        children: keys.map((key) => ({ key, ...children.next().value })),
      })),
  ),
);
roundTrips(
  'contentNode',
  fc.oneof(
    fc.record({ level: fc.constant(0), pieces: fc.array(piece, { minLength: 1, maxLength: 12 }) }),
    fc.record({
      level: fc.integer({ min: 1, max: 53 }),
      children: fc.array(
        child.map((rest) => ({ key: '', ...rest })),
        { minLength: 1, maxLength: 12 },
      ),
    }),
  ),
);

roundTrips(
  'frame',
  fc
    .record({
      kind: fc.constantFrom(1, 2, 3),
      codec: fc.constantFrom(0, 1),
      id,
      dataKeyId: bytes(16),
      nonce: bytes(12),
      plainLength: fc.nat(4_259_840),
      chunks: fc.array(fc.record({ id, bytes: fc.integer({ min: 0, max: 0xffffffff }) }), { maxLength: 5 }),
      nodes: fc.array(id, { maxLength: 5 }),
      body: block,
    })
    .map(({ body, ...rest }) => {
      const sealing = rest.kind === 3 ? 0 : 1;
      return { body, header: { ...rest, sealing, bodyLength: body.length } as FrameHeader };
    }),
);

const frameInPack = fc.record({
  id,
  kind: fc.constantFrom(1, 2, 3),
  length: fc.integer({ min: 1, max: 5_308_416 }),
  digest: id,
});
roundTrips(
  'packTable',
  fc.array(frameInPack, { minLength: 1, maxLength: 20 }).map((frames) => {
    let offset = 24;
    return frames.map((frame) => {
      const row = { ...frame, offset };
      offset += frame.length;
      return row;
    });
  }),
);

roundTrips(
  'trackPage',
  fc.record({
    records: fc.array(
      fc
        .record({
          key: path,
          value: block,
          flags: fc.constantFrom(0, 1, 4, 5),
          statWords: bytes(64),
          leaf: fc.option(child, { nil: undefined }),
        })
        .map((record) => (record.leaf === undefined ? record : { ...record, flags: record.flags | 2 })),
      { maxLength: 8 },
    ),
  }),
);

test('numbers beyond what a varint holds are refused when written', () => {
  for (const value of [-1, VARINT_MAX + 1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => new ByteWriter().varint(value), RangeError);
  for (const value of [-1, 0.5, VARINT_MAX + 1]) assert.throws(() => new ByteWriter().u64(value), RangeError);
});

test('a varint in more bytes than it needs, or above 2^53 − 1, is refused', () => {
  for (const hex of ['8000', 'ff00', 'ffffffffffffff10', 'ffffffffffffffff01', '80'])
    assert.throws(() => codecs.varint!.decode(Buffer.from(hex, 'hex')), { code: 'damaged' });
});

test('a reader gives back as many bytes as it was asked for, and nothing beyond its end', () => {
  const reader = new ByteReader(Buffer.from('0203aabbcc', 'hex'), 'a thing', 1, 4);
  assert.equal(reader.left, 3);
  assert.equal(reader.u8(), 3);
  assert.throws(() => reader.bytes(3), { code: 'damaged', message: /it ends 1 bytes too early/ });
  assert.throws(() => reader.done(), { code: 'damaged', message: /2 bytes are left over/ });
});
