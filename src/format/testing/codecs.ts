import { blake3 } from '@napi-rs/blake-hash';
import { EverfullError } from '../../base/mod.ts';
import { decodeEntry, encodeEntry } from '../entry.ts';
import { decodeFrame, encodeFrameHeader, type FrameHeader } from '../frame.ts';
import { knownImagesRecord } from '../known-images.ts';
import {
  configRecord,
  decodeManifestBody,
  decodeManifestHeader,
  encodeManifestBody,
  encodeManifestHeader,
  manifestRecord,
  sessionBeatRecord,
  sessionEndRecord,
  sessionOpenRecord,
  sessionReadRecord,
} from '../manifest.ts';
import { type ContentNode, decodeContentNode, decodeIndexNode, type IndexNode, NodeWriter } from '../node.ts';
import {
  decodePackHeader,
  decodePackTable,
  encodePackHeader,
  encodePackTable,
  PACK_FOOTER_BYTES,
  type PackRow,
} from '../pack.ts';
import type { RecordCodec } from '../record.ts';
import { condemnedRecord, damagedRecord, retentionRecord } from '../retention.ts';
import { segmentFileRecord } from '../segment-file.ts';
import {
  decodeSegmentRow,
  decodeTable,
  encodeSegmentRows,
  encodeTable,
  SEGMENT_ROW_BYTES,
  type SegmentRow,
  type TablePack,
} from '../sorted-table.ts';
import { storeRecord } from '../store-probe.ts';
import { decodeStreamRecords, type StreamRecord, writeStreamRecord } from '../stream.ts';
import {
  checkStreamSegment,
  decodeStreamSegmentHead,
  encodeStreamSegmentHead,
  STREAM_SEGMENT_HEAD_BYTES,
  type StreamSegmentHead,
} from '../stream-segment.ts';
import { TRACK_ENDS_LEAF, TrackPage, TrackPageWriter, TrackRecord, trackHeadRecord } from '../track-log.ts';
import { verifiedPacksRecord } from '../verified-packs.ts';
import { ByteReader, ByteWriter } from '../wire.ts';

export const digest = (...parts: Uint8Array[]): Buffer => blake3(Buffer.concat(parts));

/** A codec from bytes to a plain value and back, whatever shape its functions have. */
export interface Codec {
  // biome-ignore lint/suspicious/noExplicitAny: tests give each codec what it made itself.
  readonly decode: (bytes: Buffer) => any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly encode: (value: any) => Uint8Array;
}

// biome-ignore lint/suspicious/noExplicitAny: the value types differ field by field.
export const recordCodecs: Readonly<Record<string, RecordCodec<any>>> = {
  configRecord,
  storeRecord,
  sessionOpenRecord,
  sessionBeatRecord,
  sessionEndRecord,
  sessionReadRecord,
  manifestRecord,
  retentionRecord,
  condemnedRecord,
  damagedRecord,
  trackHeadRecord,
  segmentFileRecord,
  knownImagesRecord,
  verifiedPacksRecord,
};

function encodeNode(node: IndexNode | ContentNode, isIndex: boolean): Buffer {
  const writer = new NodeWriter();
  writer.begin(node.level);
  if ('items' in node) for (const { key, value } of node.items) writer.entry(key, value);
  if ('pieces' in node) for (const piece of node.pieces) writer.piece(piece);
  if ('children' in node) {
    for (const child of node.children) {
      if (isIndex) writer.indexChild(child);
      else writer.contentChild(child);
    }
  }
  return writer.finish();
}

interface TrackedRecord {
  readonly key: string;
  readonly value: Buffer;
  readonly flags: number;
  /** The words as bytes. */
  readonly statWords: Buffer;
  readonly leaf: { id: Uint8Array; items: number; length: number } | undefined;
}

function decodeTrackPage(bytes: Buffer): { records: TrackedRecord[] } {
  // Records are read in place, four bytes at a time.
  const aligned = Buffer.from(new Uint8Array(bytes).buffer);
  const page = new TrackPage(aligned);
  const records: TrackedRecord[] = [];
  for (let at = 0; at < aligned.length; ) {
    const record = new TrackRecord(page, at);
    const { key, value, flags } = record;
    const statWords = Buffer.from(new Uint32Array(record.statWords).buffer);
    let leaf: TrackedRecord['leaf'];
    if (flags & TRACK_ENDS_LEAF) {
      const { id, items, length } = record.leaf('');
      leaf = { id, items, length };
    }
    records.push({ key, value, flags, statWords, leaf });
    at = record.end;
  }
  return { records };
}

function encodeTrackPage({ records }: { records: readonly TrackedRecord[] }): Buffer {
  const writer = new TrackPageWriter();
  for (const { key, value, flags, statWords, leaf } of records) {
    writer.add(key, value, new Uint32Array(Uint8Array.from(statWords).buffer), flags & ~TRACK_ENDS_LEAF);
    if (leaf !== undefined) writer.endLeaf({ key: '', ...leaf });
  }
  return Buffer.from(writer.take());
}

/** How long a pack is whose table this is, if it is whole. */
function packBytesOf(table: Buffer): number {
  const rowBytes = 73;
  const last = table.length - PACK_FOOTER_BYTES - rowBytes;
  if (last < 0) return table.length;
  return table.readUInt32LE(last + 33) + table.readUInt32LE(last + 37) + table.length;
}

interface DecodedStreamSegment extends Pick<StreamSegmentHead, 'stream' | 'number' | 'previous'> {
  readonly records: readonly StreamRecord[];
}

function decodeStreamSegment(bytes: Buffer): DecodedStreamSegment {
  const head = bytes.subarray(0, STREAM_SEGMENT_HEAD_BYTES);
  const { stream, number, previous, length } = decodeStreamSegmentHead(head);
  const records = bytes.subarray(STREAM_SEGMENT_HEAD_BYTES);
  checkStreamSegment(head, records, digest);
  if (records.length !== length) throw new EverfullError('damaged', 'the segment has another length');
  return { stream, number, previous, records: [...decodeStreamRecords(records)] };
}

function encodeStreamSegment({ records, ...place }: DecodedStreamSegment): Buffer {
  const writer = new ByteWriter();
  for (const record of records) writeStreamRecord(writer, record);
  return Buffer.concat([encodeStreamSegmentHead(place, writer.view(), digest), writer.view()]);
}

function numberCodec(kind: 'varint' | 'signed'): Codec {
  return {
    decode(bytes) {
      const reader = new ByteReader(bytes, 'a number');
      const value = reader[kind]();
      reader.done();
      return { value };
    },
    encode: ({ value }: { value: number }) => new ByteWriter()[kind](value).finish(),
  };
}

/** All codecs of the folder, by the name that test vectors give them. */
export const codecs: Readonly<Record<string, Codec>> = {
  ...Object.fromEntries(
    Object.entries(recordCodecs).map(([name, codec]): [string, Codec] => [
      name,
      { decode: (bytes) => codec.decode(bytes, digest), encode: (value) => codec.encode(value, digest) },
    ]),
  ),
  varint: numberCodec('varint'),
  signed: numberCodec('signed'),
  manifestHeader: { decode: decodeManifestHeader, encode: encodeManifestHeader },
  manifestBody: { decode: decodeManifestBody, encode: encodeManifestBody },
  entry: { decode: decodeEntry, encode: (entry) => encodeEntry(entry) },
  indexNode: { decode: decodeIndexNode, encode: (node: IndexNode) => encodeNode(node, true) },
  contentNode: { decode: decodeContentNode, encode: (node: ContentNode) => encodeNode(node, false) },
  frame: {
    decode(bytes) {
      const { header, body } = decodeFrame(bytes);
      return { header, body };
    },
    encode: ({ header, body }: { header: FrameHeader; body: Buffer }) =>
      Buffer.concat([encodeFrameHeader(header), body]),
  },
  packHeader: {
    decode: decodePackHeader,
    encode: ({ secretsId }: { secretsId: Uint8Array }) => encodePackHeader(secretsId),
  },
  packTable: {
    decode: (bytes) => decodePackTable(bytes, packBytesOf(bytes), digest),
    encode: (rows: readonly PackRow[]) => encodePackTable(rows, digest),
  },
  segment: {
    decode(bytes) {
      const { shape, packs, rows, bloom } = decodeTable(bytes, SEGMENT_ROW_BYTES, digest);
      const all = Array.from({ length: shape.rows }, (_, row) => decodeSegmentRow(rows, row));
      return { shape, packs, rows: all, bloom };
    },
    encode: ({ rows, packs }: { rows: readonly SegmentRow[]; packs: readonly TablePack[] }) =>
      encodeTable(SEGMENT_ROW_BYTES, encodeSegmentRows(rows), packs, digest),
  },
  streamSegment: { decode: decodeStreamSegment, encode: encodeStreamSegment },
  trackPage: { decode: decodeTrackPage, encode: encodeTrackPage },
};
