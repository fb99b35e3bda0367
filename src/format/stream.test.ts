import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc, { type Arbitrary } from 'fast-check';
import { hexOf } from '../base/mod.ts';
import { FRAME_BYTES_MAX } from './frame.ts';
import {
  decodeStreamRecords,
  STREAM_RECORD_BYTES_MAX,
  StreamOrder,
  type StreamRecord,
  type StreamRecordType,
  streamCommit,
  streamOpen,
  writeStreamRecord,
} from './stream.ts';
import {
  checkStreamSegment,
  decodeStreamSegmentHead,
  STREAM_SEGMENT_BYTES_MAX,
  STREAM_SEGMENT_BYTES_TARGET,
  STREAM_SEGMENT_HEAD_BYTES,
  StreamChain,
  StreamWriter,
} from './stream-segment.ts';
import { id, ofType } from './testing/arbitraries.ts';
import { digest } from './testing/codecs.ts';
import { readPage, vectorOf } from './testing/pages.ts';
import { ByteWriter } from './wire.ts';

const frames = readPage('frame.md');
const chunk = vectorOf(frames, 'frame', 'chunk').bytes;
const node = vectorOf(frames, 'frame', 'index-node').bytes;

const ref = fc.record({
  type: fc.constant('ref' as const),
  kind: fc.constantFrom(2 as const, 3 as const),
  level: fc.nat(53),
  id,
  items: fc.nat(),
  length: fc.nat(),
});
const record = fc.oneof(
  ofType(streamOpen.name).map((open) => ({ ...(open as object), type: 'open', features: 0 })),
  fc.uint8Array({ maxLength: 300 }).map((object) => ({ type: 'key', object: Buffer.from(object) })),
  fc.constant({ type: 'data', frame: chunk }),
  fc.constant({ type: 'node', frame: node }),
  ref,
  ofType(streamCommit.name).map((commit) => ({ ...(commit as object), type: 'commit' })),
) as Arbitrary<StreamRecord>;

/** Bytes as digits, so that views of whatever kind compare as what they are. */
function plain(record: StreamRecord): object {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, value instanceof Uint8Array ? hexOf(value) : value]),
  );
}

function encoded(records: readonly StreamRecord[]): Buffer {
  const writer = new ByteWriter();
  for (const one of records) writeStreamRecord(writer, one);
  return writer.finish();
}

/** What a reader makes of a stream that is all in memory. */
function decodeWhole(stream: Buffer): StreamRecord[] {
  const chain = new StreamChain();
  const order = new StreamOrder();
  const records: StreamRecord[] = [];
  for (let at = 0; at < stream.length; ) {
    const head = stream.subarray(at, at + STREAM_SEGMENT_HEAD_BYTES);
    const decoded = decodeStreamSegmentHead(head);
    at += head.length;
    const body = stream.subarray(at, at + decoded.length);
    checkStreamSegment(head, body, digest);
    chain.follow(decoded);
    for (const one of decodeStreamRecords(body)) {
      order.check(one.type);
      records.push(one);
    }
    at += body.length;
  }
  assert.ok(order.isComplete);
  return records;
}

const open: StreamRecord = {
  type: 'open',
  features: 0,
  secretsId: Buffer.alloc(16, 1),
  dataset: Buffer.alloc(16, 2),
  kind: 0,
  base: Buffer.alloc(32),
  baseSession: Buffer.alloc(16),
  baseRoot: Buffer.alloc(32),
};
const commit: StreamRecord = {
  type: 'commit',
  publicKey: Buffer.alloc(32, 3),
  committed: 5,
  manifest: Buffer.from('manifest'),
};
const end: StreamRecord = { type: 'end', proof: Buffer.alloc(32, 4) };

/** Each inner list is a segment. */
function streamOf(segments: readonly (readonly StreamRecord[])[], stream = Buffer.alloc(16, 9)): Buffer[] {
  const writer = new StreamWriter(stream, digest);
  return segments.map((records) => {
    for (const one of records) assert.equal(writer.add(one), undefined);
    const { head, records: body } = writer.cut()!;
    return Buffer.concat([head, body]);
  });
}

const small = [
  [open, { type: 'data', frame: chunk }],
  [{ type: 'node', frame: node }, commit],
  [end],
] as const;

test('records of any kind are read as they were written', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), (records) => {
      assert.deepEqual([...decodeStreamRecords(encoded(records))].map(plain), records.map(plain));
    }),
    { numRuns: 200 },
  );
});

test('a stream in segments is read as it was written', () => {
  assert.deepEqual(decodeWhole(Buffer.concat(streamOf(small))), small.flat());
});

test('a byte that differs anywhere in a stream is noticed', () => {
  const whole = Buffer.concat(streamOf(small));
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1 << (at % 8);
    assert.throws(() => decodeWhole(changed), `byte ${at}`);
  }
});

test('a segment that is missing, repeated, out of order or of another stream is noticed', () => {
  const [a, b, c] = streamOf(small);
  const other = streamOf(small, Buffer.alloc(16, 8));
  const another = streamOf([[open], [commit], [end]]);
  for (const segments of [
    [a, c],
    [b, c],
    [a, b, b, c],
    [a, a, b, c],
    [b, a, c],
    [a, other[1], c],
    // Of the same stream id and number, but behind another segment.
    [a, another[1], c],
    [a, b, c, c],
    [a, b],
    [],
  ])
    assert.throws(() => decodeWhole(Buffer.concat(segments as Buffer[])));
  assert.equal(decodeWhole(Buffer.concat([a!, b!, c!])).length, 5);
});

test('records come in no order but that of an image', () => {
  const isRight = (...types: StreamRecordType[]) => {
    const order = new StreamOrder();
    try {
      for (const type of types) order.check(type);
      return order.isComplete;
    } catch (error) {
      assert.equal((error as { code: string }).code, 'damaged');
      return false;
    }
  };
  assert.ok(isRight('open', 'key', 'data', 'ref', 'node', 'commit', 'end'));
  assert.ok(isRight('open', 'commit', 'end'));
  for (const types of [
    ['key', 'open', 'commit', 'end'],
    ['open', 'open', 'commit', 'end'],
    ['open', 'end'],
    ['open', 'commit', 'data', 'end'],
    ['open', 'commit', 'commit', 'end'],
    ['open', 'commit', 'end', 'end'],
    ['open', 'commit'],
  ] as StreamRecordType[][])
    assert.ok(!isRight(...types), types.join());
});

test('an end beside other records is refused, since its proof does not cover them', () => {
  for (const records of [
    [commit, end],
    [end, commit],
  ])
    assert.throws(() => [...decodeStreamRecords(encoded(records))], {
      code: 'damaged',
      message: /of its own/,
    });
});

test('a feature, a type and a version of the future are named as such', () => {
  const future = encoded([{ ...open, features: 4 }]);
  // Whatever comes after the features.
  for (const bytes of [future, future.subarray(0, 9)]) {
    const cut = Buffer.from(bytes);
    cut.writeUInt32LE(cut.length - 5, 1);
    assert.throws(() => [...decodeStreamRecords(cut)], { code: 'repository-newer', message: /bits 4/ });
  }
  const unknown = encoded([open]);
  unknown[0] = 8;
  assert.throws(() => [...decodeStreamRecords(unknown)], { code: 'repository-newer', message: /type 8/ });
  const [head] = streamOf([[open]]);
  head![4] = 2;
  assert.throws(() => decodeStreamSegmentHead(head!.subarray(0, STREAM_SEGMENT_HEAD_BYTES)), {
    code: 'repository-newer',
  });
});

test('a frame is refused in a record of another kind', () => {
  for (const wrong of [
    { type: 'data', frame: node },
    { type: 'node', frame: chunk },
  ] as const)
    assert.throws(() => [...decodeStreamRecords(encoded([wrong]))], { code: 'damaged' });
});

test('a reference to anything but a node is refused', () => {
  const right = { type: 'ref', kind: 2, level: 1, id: Buffer.alloc(32), items: 3, length: 4 } as const;
  assert.equal([...decodeStreamRecords(encoded([right]))].length, 1);
  for (const changes of [{ kind: 1 }, { kind: 4 }, { level: 54 }])
    assert.throws(() => [...decodeStreamRecords(encoded([{ ...right, ...changes } as StreamRecord]))], {
      code: 'damaged',
    });
});

test('lengths above the limits are refused before anything is read', () => {
  const long = Buffer.alloc(5);
  long[0] = 3;
  long.writeUInt32LE(FRAME_BYTES_MAX + 1, 1);
  assert.throws(() => [...decodeStreamRecords(long)], { code: 'damaged', message: /above the limit/ });
  const head = streamOf([[open]])[0]!.subarray(0, STREAM_SEGMENT_HEAD_BYTES);
  head.writeUInt32LE(STREAM_SEGMENT_BYTES_MAX + 1, 28);
  assert.throws(() => decodeStreamSegmentHead(head), { code: 'damaged', message: /above the limit/ });
});

test('a segment ends with the record that fills it, and holds any record', () => {
  assert.equal(STREAM_SEGMENT_BYTES_MAX, STREAM_SEGMENT_BYTES_TARGET + STREAM_RECORD_BYTES_MAX);
  const writer = new StreamWriter(Buffer.alloc(16), digest);
  const manifest = Buffer.alloc(15 * 1024 * 1024);
  const lengths: number[] = [];
  for (let i = 0; i < 7; i++) {
    const segment = writer.add({ type: 'commit', publicKey: Buffer.alloc(32), committed: 0, manifest });
    if (segment === undefined) continue;
    lengths.push(segment.records.length);
    assert.equal(decodeStreamSegmentHead(segment.head).length, segment.records.length);
    checkStreamSegment(segment.head, segment.records, digest);
  }
  assert.equal(lengths.length, 2);
  for (const length of lengths)
    assert.ok(length >= STREAM_SEGMENT_BYTES_TARGET && length <= STREAM_SEGMENT_BYTES_MAX);
  assert.equal(writer.segments, 2);
  assert.ok(writer.cut() !== undefined);
  assert.equal(writer.cut(), undefined);
});

test('any bytes are read as records, or cleanly refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7), (some, type) => {
      const bytes = Buffer.concat([Buffer.from([type, some.length, 0, 0, 0]), some]);
      try {
        for (const _ of decodeStreamRecords(bytes));
      } catch (error) {
        assert.ok(['damaged', 'repository-newer'].includes((error as { code: string }).code), String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
