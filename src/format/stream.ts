import { EverfullError } from '../base/mod.ts';
import { decodeFrame, FRAME_BYTES_MAX, FrameKind } from './frame.ts';
import { PUBLIC_KEY_BYTES } from './keys.ts';
import { DATASET_ID_BYTES, SESSION_ID_BYTES } from './manifest.ts';
import { SECRETS_ID_BYTES } from './pack.ts';
import { ID_BYTES, TREE_LEVEL_MAX } from './piece.ts';
import {
  block,
  type FieldType,
  fixed,
  RECORD_BYTES_MAX,
  struct,
  u8,
  u32,
  u64,
  type ValuesOf,
} from './record.ts';
import { ByteReader, type ByteWriter } from './wire.ts';

/**
 * The records of a reference stream: an image, whole or as what it has that a base image has not. They
 * travel in segments (`stream-segment.ts`). `docs/format/stream.md`
 */

/** Bits of `features` that this version understands: none is defined. */
const FEATURES_KNOWN = 0;

export const streamOpen = struct({
  /** What a reader must understand, one bit each. */
  features: u32,
  secretsId: fixed(SECRETS_ID_BYTES),
  dataset: fixed(DATASET_ID_BYTES),
  /** As in the manifest. */
  kind: u8,
  /** The base image's id, its session, and the root of its index; zeros where the image comes whole. */
  base: fixed(ID_BYTES),
  baseSession: fixed(SESSION_ID_BYTES),
  baseRoot: fixed(ID_BYTES),
});
export type StreamOpen = ValuesOf<typeof streamOpen.fields>;

export const streamRef = struct({
  /** 2 an index node, 3 a content node. */
  kind: u8 as FieldType<typeof FrameKind.indexNode | typeof FrameKind.contentNode>,
  level: u8,
  id: fixed(ID_BYTES),
  /** In the leaves below it. */
  items: u64,
  /** Bytes of content below it. */
  length: u64,
});
export type StreamRef = ValuesOf<typeof streamRef.fields>;

export const streamCommit = struct({
  /** Of the endpoint that signed the manifest. */
  publicKey: fixed(PUBLIC_KEY_BYTES),
  /** When the image was committed where it comes from, ms since 1970; 0 where it was not yet. */
  committed: u64,
  /** A manifestRecord. */
  manifest: block(RECORD_BYTES_MAX),
});
export type StreamCommit = ValuesOf<typeof streamCommit.fields>;

export const streamEnd = struct({
  /** Keyed by the domain, over the digest of the segment before. */
  proof: fixed(32),
});

export type StreamRecord =
  | ({ readonly type: 'open' } & StreamOpen)
  /** A dataKeyRecord, sealed by the wrapping key that it names. */
  | { readonly type: 'key'; readonly object: Uint8Array }
  /** A frame as it is stored: of a chunk, and of a node. */
  | { readonly type: 'data' | 'node'; readonly frame: Uint8Array }
  | ({ readonly type: 'ref' } & StreamRef)
  | ({ readonly type: 'commit' } & StreamCommit)
  | { readonly type: 'end'; readonly proof: Uint8Array };
export type StreamRecordType = StreamRecord['type'];

const RECORD_HEAD_BYTES = 5;
/** A data key object has about 150 bytes. */
const KEY_OBJECT_BYTES_MAX = 1024;

interface TypeCodec {
  readonly number: number;
  readonly bytesMax: number;
  // biome-ignore lint/suspicious/noExplicitAny: each writes what the next reads.
  write(writer: ByteWriter, record: any): void;
  read(reader: ByteReader): object;
}

function fieldsCodec(number: number, bytesMax: number, type: FieldType<object>): TypeCodec {
  return { number, bytesMax, write: (writer, record) => type.write(writer, record), read: type.read };
}

function frameCodec(number: number, isChunk: boolean): TypeCodec {
  return {
    number,
    bytesMax: FRAME_BYTES_MAX,
    write: (writer, { frame }) => void writer.bytes(frame),
    read(reader) {
      const frame = reader.bytes(reader.left);
      if ((decodeFrame(frame).header.kind === FrameKind.chunk) !== isChunk)
        throw reader.damaged('a frame is of another kind than its record');
      return { frame };
    },
  };
}

const CODECS: Readonly<Record<StreamRecordType, TypeCodec>> = {
  open: {
    ...fieldsCodec(1, 256, streamOpen),
    read(reader) {
      // What follows may be others where a bit is unknown.
      const start = reader.at;
      const features = reader.u32();
      reader.at = start;
      if ((features & ~FEATURES_KNOWN) !== 0) {
        throw new EverfullError(
          'repository-newer',
          `Could not read the stream: it needs features that this version does not know (bits ${features.toString(16)})`,
          { advice: 'Use a newer version of everfull.' },
        );
      }
      return streamOpen.read(reader);
    },
  },
  key: {
    number: 2,
    bytesMax: KEY_OBJECT_BYTES_MAX,
    write: (writer, { object }) => void writer.bytes(object),
    read: (reader) => ({ object: reader.bytes(reader.left) }),
  },
  data: frameCodec(3, true),
  node: frameCodec(4, false),
  ref: {
    ...fieldsCodec(5, 256, streamRef),
    read(reader) {
      const ref = streamRef.read(reader);
      if (
        (ref.kind !== FrameKind.indexNode && ref.kind !== FrameKind.contentNode) ||
        ref.level > TREE_LEVEL_MAX
      )
        throw reader.damaged('a reference is to something unknown');
      return ref;
    },
  },
  commit: fieldsCodec(6, RECORD_BYTES_MAX + PUBLIC_KEY_BYTES + 16, streamCommit),
  end: fieldsCodec(7, 256, streamEnd),
};

const BY_NUMBER = new Map(
  Object.entries(CODECS).map(([type, codec]) => [codec.number, [type as StreamRecordType, codec] as const]),
);

/** The most bytes that a record takes. */
export const STREAM_RECORD_BYTES_MAX =
  RECORD_HEAD_BYTES + Math.max(...Object.values(CODECS).map(({ bytesMax }) => bytesMax));

/** Appends a record. */
export function writeStreamRecord(writer: ByteWriter, record: StreamRecord): void {
  const { number, write } = CODECS[record.type];
  writer.u8(number);
  const at = writer.length;
  writer.u32(0);
  write(writer, record);
  // The bytes of the length, now that it is known.
  writer.view().writeUInt32LE(writer.length - at - 4, at);
}

/**
 * The records of a segment. Views into its memory.
 * Throws 'damaged', or 'repository-newer' for a type or a feature of a later version.
 */
export function* decodeStreamRecords(records: Uint8Array): Generator<StreamRecord> {
  const reader = new ByteReader(records, 'the stream');
  while (reader.left > 0) {
    const isFirst = reader.at === 0;
    const number = reader.u8();
    const found = BY_NUMBER.get(number);
    if (found === undefined) {
      throw new EverfullError(
        'repository-newer',
        `Could not read the stream: record type ${number} is unknown`,
        {
          advice: 'Use a newer version of everfull.',
        },
      );
    }
    const [type, { bytesMax, read }] = found;
    const length = reader.u32();
    if (length > bytesMax)
      throw reader.damaged(`a record of ${length} bytes is above the limit of ${bytesMax}`);
    const payload = new ByteReader(reader.bytes(length), 'the stream');
    const record = { type, ...read(payload) } as StreamRecord;
    payload.done();
    // Else its proof would leave out what is beside it.
    if (type === 'end' && !(isFirst && reader.left === 0))
      throw reader.damaged('its end is not in a segment of its own');
    yield record;
  }
}

/** Whether records come in an order that makes an image: `open`, anything, `commit`, `end`. */
export class StreamOrder {
  #last: StreamRecordType | undefined;

  /** Throws 'damaged' for a record that may not come now. */
  check(type: StreamRecordType): void {
    const last = this.#last;
    const isRight =
      last === undefined
        ? type === 'open'
        : last === 'commit'
          ? type === 'end'
          : last !== 'end' && type !== 'open' && type !== 'end';
    if (!isRight) {
      const place = last === undefined ? 'first' : `after "${last}"`;
      throw new EverfullError('damaged', `Could not read the stream: a record "${type}" comes ${place}`);
    }
    this.#last = type;
  }

  /** Whether all of the stream was there. */
  get isComplete(): boolean {
    return this.#last === 'end';
  }
}
