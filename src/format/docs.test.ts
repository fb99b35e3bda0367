import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesFromHex, bytesOf } from '../base/mod.ts';
import * as entry from './entry.ts';
import * as frame from './frame.ts';
import { dataKeyHeader, domainKeysHeader, endpointHeader, formerKeyHeader, slotHeader } from './keys.ts';
import { manifestBody, manifestHeader } from './manifest.ts';
import * as node from './node.ts';
import * as pack from './pack.ts';
import * as pathKey from './path-key.ts';
import * as piece from './piece.ts';
import * as record from './record.ts';
import * as segmentFile from './segment-file.ts';
import { SEGMENT_ROW_BYTES, TABLE_HEAD_BYTES, TABLE_PACK_BYTES } from './sorted-table.ts';
import { streamCommit, streamEnd, streamOpen, streamRef } from './stream.ts';
import * as streamSegment from './stream-segment.ts';
import { codecs, recordCodecs } from './testing/codecs.ts';
import { assertLayout, assertStated, readPage, tableUnder, vectorOf, vectorsOf } from './testing/pages.ts';
import * as trackLog from './track-log.ts';

const PAGES = [
  'README.md',
  'record.md',
  'manifest.md',
  'path-key.md',
  'entry.md',
  'node.md',
  'frame.md',
  'pack.md',
  'segment.md',
  'retention.md',
  'stream.md',
  'track-log.md',
];
/** Those have tests of their own. */
const OTHER_VECTORS = new Set(['varint', 'signed', 'pathKey', 'frameAssociatedData']);

const vectors = PAGES.flatMap((page) => vectorsOf(readPage(page)));

for (const vector of vectors.filter(({ codec }) => !OTHER_VECTORS.has(codec))) {
  test(`the vector ${vector.codec} ${vector.name} says what its bytes are, and they are written so`, () => {
    const codec = codecs[vector.codec]!;
    const value = codec.decode(vector.bytes);
    assertStated(vector, value);
    assert.deepEqual(Buffer.from(codec.encode(value)), vector.bytes);
  });
}

test('every codec has a vector', () => {
  const missing = Object.keys(codecs).filter((name) => !vectors.some(({ codec }) => codec === name));
  assert.deepEqual(missing, []);
});

for (const kind of ['varint', 'signed']) {
  test(`the vectors of ${kind} say what their bytes are`, () => {
    for (const { bytes, value } of vectorOf(readPage('README.md'), kind).statements) {
      assert.deepEqual(codecs[kind]!.decode(bytes), { value });
      assert.deepEqual(codecs[kind]!.encode({ value }), bytes);
    }
  });
}

test('the vectors of path keys say which path each is', () => {
  for (const { bytes, value } of vectorOf(readPage('path-key.md'), 'pathKey').statements) {
    assert.equal(pathKey.pathOfKey(bytes.toString('latin1')), value);
    assert.deepEqual(bytesOf(pathKey.pathKeyOf(value as string)), bytes);
  }
});

test('the associated data of a frame are those of the page', () => {
  const page = readPage('frame.md');
  const { headerBytes } = frame.decodeFrame(vectorOf(page, 'frame', 'index-node').bytes);
  const secretsId = bytesFromHex('3175e8b54e80765c88778bc526c07ecd');
  assert.deepEqual(
    frame.frameAssociatedData(headerBytes, secretsId),
    vectorOf(page, 'frameAssociatedData').bytes,
  );
});

/** The declared fields by page and heading. */
const FIELDS: readonly [string, string, Readonly<Record<string, record.FieldType<never>>>][] = [
  ...[
    'configRecord',
    'storeRecord',
    'sessionOpenRecord',
    'sessionReadRecord',
    'sessionBeatRecord',
    'sessionEndRecord',
  ].map((name) => ['record.md', name, recordCodecs[name]!.fields] as const),
  ...['retentionRecord', 'condemnedRecord', 'damagedRecord'].map(
    (name) => ['retention.md', name, recordCodecs[name]!.fields] as const,
  ),
  ['manifest.md', 'manifestRecord', recordCodecs.manifestRecord!.fields],
  ['manifest.md', 'manifestHeader', manifestHeader.fields],
  ['manifest.md', 'manifestBody', manifestBody.fields],
  ['manifest.md', 'knownImagesRecord', recordCodecs.knownImagesRecord!.fields],
  ['record.md', 'verifiedPacksRecord', recordCodecs.verifiedPacksRecord!.fields],
  ['track-log.md', 'trackHeadRecord', recordCodecs.trackHeadRecord!.fields],
  ['track-log.md', 'segmentFileRecord', recordCodecs.segmentFileRecord!.fields],
  ['stream.md', 'open', streamOpen.fields],
  ['stream.md', 'ref', streamRef.fields],
  ['stream.md', 'commit', streamCommit.fields],
  ['stream.md', 'end', streamEnd.fields],
  ['keys.md', 'Key slot (kind 2)', slotHeader.fields],
  ['keys.md', 'Domain keys (kind 3)', domainKeysHeader.fields],
  ['keys.md', 'Data key (kind 4)', dataKeyHeader.fields],
  ['keys.md', 'Endpoint (kind 5)', endpointHeader.fields],
  ['keys.md', 'Former wrapping key (kind 15)', formerKeyHeader.fields],
].map(([page, heading, fields]) => [page, heading, fields] as never);

for (const [page, heading, fields] of FIELDS) {
  test(`the table "${heading}" has the fields of the code, in order, with their types`, () => {
    const { rows } = tableUnder(readPage(page), heading);
    assert.deepEqual(
      rows.map(([name, type]) => [name, type]),
      Object.entries(fields).map(([name, { name: type }]) => [name, type]),
    );
  });
}

test('the table of kinds has every record, with its number and its limit', () => {
  const { rows } = tableUnder(readPage('record.md'), 'Kinds');
  for (const [name, codec] of Object.entries(recordCodecs)) {
    const row = rows.find(([, documented]) => documented === name);
    assert.deepEqual(row?.slice(0, 3), [String(codec.kind), name, String(codec.bytesMax)]);
  }
  assert.equal(rows.length, Object.keys(recordCodecs).length + 5, 'and the five of keys.md');
});

test('the envelope lies as its table says', () => {
  const { bytes } = vectorOf(readPage('record.md'), 'configRecord');
  assertLayout(tableUnder(readPage('record.md'), 'Envelope'), bytes.subarray(0, 12), {
    magic: 'EVFL',
    kind: 1,
    version: 1,
    zeros: 0,
    payloadLength: bytes.length - 12 - 32,
  });
});

test('a frame header lies as its table says', () => {
  const { bytes } = vectorOf(readPage('frame.md'), 'frame', 'index-node');
  const { header, headerBytes } = frame.decodeFrame(bytes);
  const { chunks, nodes, ...fields } = header;
  assertLayout(tableUnder(readPage('frame.md'), 'Header'), bytes.subarray(0, frame.FRAME_HEADER_BYTES_MIN), {
    ...fields,
    reserved: 0,
    headerLength: headerBytes.length,
    chunkCount: chunks.length,
    nodeCount: nodes.length,
  });
});

test('header, rows and footer of a pack lie as their tables say', () => {
  const page = readPage('pack.md');
  const header = vectorOf(page, 'packHeader').bytes;
  assert.equal(header.length, pack.PACK_HEADER_BYTES);
  assertLayout(tableUnder(page, 'Header'), header, {
    ...pack.decodePackHeader(header),
    magic: 'EVFP',
    version: 1,
    zeros: 0,
  });
  const { bytes } = vectorOf(page, 'packTable');
  const rows = codecs.packTable!.decode(bytes);
  assertLayout(tableUnder(page, 'Row'), bytes.subarray(0, pack.PACK_ROW_BYTES), rows[0]);
  assertLayout(tableUnder(page, 'Footer'), bytes.subarray(-pack.PACK_FOOTER_BYTES), {
    rowCount: rows.length,
    magic: 'PFVE',
  });
});

test('head, packs and rows of a segment lie as their tables say', () => {
  const page = readPage('segment.md');
  const { bytes } = vectorOf(page, 'segment');
  const { shape, packs, rows } = codecs.segment!.decode(bytes);
  assertLayout(tableUnder(page, 'Head'), bytes.subarray(0, TABLE_HEAD_BYTES), {
    ...shape,
    magic: 'EVFI',
    version: 1,
    zero: 0,
    zeros: 0,
  });
  const rowsAt = TABLE_HEAD_BYTES + TABLE_PACK_BYTES;
  assertLayout(tableUnder(page, 'Pack'), bytes.subarray(TABLE_HEAD_BYTES, rowsAt), packs[0]);
  assertLayout(tableUnder(page, 'Row'), bytes.subarray(rowsAt, rowsAt + SEGMENT_ROW_BYTES), rows[0]);
});

test('the head of a segment of a stream lies as its table says', () => {
  const page = readPage('stream.md');
  const { bytes } = vectorOf(page, 'streamSegment', 'end');
  const head = bytes.subarray(0, streamSegment.STREAM_SEGMENT_HEAD_BYTES);
  assertLayout(tableUnder(page, 'Segments'), head, {
    ...streamSegment.decodeStreamSegmentHead(head),
    magic: 'EVFS',
    version: 1,
    zeros: 0,
  });
});

test('the table of the records of a stream has their numbers', () => {
  const page = readPage('stream.md');
  const documented = new Map(tableUnder(page, 'Records').rows.map(([number, type]) => [type, number]));
  const seen = new Set<string>();
  for (const name of ['whole', 'delta', 'end']) {
    const { bytes } = vectorOf(page, 'streamSegment', name);
    let at = streamSegment.STREAM_SEGMENT_HEAD_BYTES;
    for (const { type } of codecs.streamSegment!.decode(bytes).records) {
      assert.equal(documented.get(type), String(bytes[at]), type);
      seen.add(type);
      at += 5 + bytes.readUInt32LE(at + 1);
    }
  }
  assert.deepEqual([...seen].sort(), [...documented.keys()].sort());
});

test('a record of a track log lies as its table says', () => {
  const { bytes } = vectorOf(readPage('track-log.md'), 'trackPage');
  const [{ key, value, flags, statWords }] = codecs.trackPage!.decode(bytes).records;
  const page = readPage('track-log.md');
  assertLayout(tableUnder(page, 'Page'), bytes.subarray(0, 80), {
    recordBytes: Math.ceil((80 + key.length + value.length) / 8) * 8,
    valueBytes: value.length,
    keyBytes: key.length,
    flags,
    statWords,
  });
  assert.equal(statWords.length, trackLog.STAT_WORDS * 4);
  const { leaf } = codecs.trackPage!.decode(bytes).records[1];
  assertLayout(tableUnder(page, 'Leaf'), bytes.subarray(-48), leaf);
});

test('a node begins as its table says', () => {
  const { bytes } = vectorOf(readPage('node.md'), 'indexNode', 'inner');
  assertLayout(tableUnder(readPage('node.md'), 'Encoding'), bytes.subarray(0, 3), {
    level: 1,
    count: 2,
  });
});

test('the limits of the overview are those of the code', () => {
  const code: Readonly<Record<string, unknown>> = {
    ...entry,
    ...frame,
    ...node,
    ...pack,
    ...pathKey,
    ...piece,
    ...record,
    ...segmentFile,
    ...streamSegment,
    ...trackLog,
  };
  for (const [name, value] of tableUnder(readPage('README.md'), 'Limits').rows)
    assert.equal(code[name!], Number(value), name);
});
