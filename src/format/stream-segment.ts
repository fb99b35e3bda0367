import { bufferOf, EverfullError, equalBytes } from '../base/mod.ts';
import { DIGEST_BYTES, type Digest } from './pack.ts';
import { STREAM_RECORD_BYTES_MAX, type StreamRecord, writeStreamRecord } from './stream.ts';
import { ByteWriter } from './wire.ts';

export const STREAM_ID_BYTES = 16;
/** A segment ends with the record that makes its records as long as this. */
export const STREAM_SEGMENT_BYTES_TARGET = 32 * 1024 * 1024;
/** Most bytes of the records of a segment. */
export const STREAM_SEGMENT_BYTES_MAX = STREAM_SEGMENT_BYTES_TARGET + STREAM_RECORD_BYTES_MAX;

const MAGIC = 'EVFS';
const VERSION = 1;
const AT = { magic: 0, version: 4, zeros: 5, stream: 8, number: 24, length: 28, previous: 32, digest: 64 };
export const STREAM_SEGMENT_HEAD_BYTES = AT.digest + DIGEST_BYTES;

/**
 * What comes before the records of a segment. Number, stream and `previous` tie it to one place of one
 * stream, so that it can be sent again and what is missing, repeated or foreign is noticed.
 */
export interface StreamSegmentHead {
  /** Random; the same in all segments of a stream. */
  readonly stream: Uint8Array;
  /** From 0. */
  readonly number: number;
  /** Bytes of the records. */
  readonly length: number;
  /** The digest of the segment before; zeros in the first. */
  readonly previous: Uint8Array;
  /** BLAKE3 of the head up to here, and of the records. */
  readonly digest: Uint8Array;
}

/** A segment as it is sent: one after the other. */
export interface StreamSegment {
  readonly head: Buffer;
  /** Valid until the next record is written. */
  readonly records: Buffer;
}

/** Gathers records into segments. */
export class StreamWriter {
  readonly #stream: Uint8Array;
  readonly #digest: Digest;
  readonly #records = new ByteWriter();
  #number = 0;
  #previous: Buffer = Buffer.alloc(DIGEST_BYTES);

  /** @param stream random */
  constructor(stream: Uint8Array, digest: Digest) {
    this.#stream = stream;
    this.#digest = digest;
  }

  /** How many segments are complete. */
  get segments(): number {
    return this.#number;
  }

  /** The digest of the last complete segment. */
  get previous(): Buffer {
    return this.#previous;
  }

  /** Takes a record. The segment that is complete with it, to be sent before the next is added. */
  add(record: StreamRecord): StreamSegment | undefined {
    writeStreamRecord(this.#records, record);
    return this.#records.length >= STREAM_SEGMENT_BYTES_TARGET ? this.cut() : undefined;
  }

  /** Ends the open segment; undefined where none is open. */
  cut(): StreamSegment | undefined {
    const records = this.#records.view();
    if (records.length === 0) return undefined;
    const place = { stream: this.#stream, number: this.#number, previous: this.#previous };
    const head = encodeStreamSegmentHead(place, records, this.#digest);
    this.#number++;
    this.#previous = head.subarray(AT.digest);
    this.#records.reset();
    return { head, records };
  }
}

/** The head of the segment of some records, which follow it. */
export function encodeStreamSegmentHead(
  place: Pick<StreamSegmentHead, 'stream' | 'number' | 'previous'>,
  records: Uint8Array,
  digest: Digest,
): Buffer {
  const bytes = Buffer.alloc(STREAM_SEGMENT_HEAD_BYTES);
  bytes.write(MAGIC, AT.magic, 'latin1');
  bytes[AT.version] = VERSION;
  bytes.set(place.stream, AT.stream);
  bytes.writeUInt32LE(place.number, AT.number);
  bytes.writeUInt32LE(records.length, AT.length);
  bytes.set(place.previous, AT.previous);
  bytes.set(digest(bytes.subarray(0, AT.digest), records), AT.digest);
  return bytes;
}

/** The head alone, before memory is taken for the records. Throws 'damaged', or 'repository-newer'. */
export function decodeStreamSegmentHead(head: Uint8Array): StreamSegmentHead {
  const bytes = bufferOf(head);
  if (bytes.length !== STREAM_SEGMENT_HEAD_BYTES || bytes.toString('latin1', 0, AT.version) !== MAGIC)
    throw damaged('a segment does not begin as one');
  if (bytes[AT.version] !== VERSION) {
    throw new EverfullError(
      'repository-newer',
      `Could not read the stream: version ${bytes[AT.version]}, not ${VERSION}`,
      { advice: 'Use a newer version of everfull.' },
    );
  }
  const length = bytes.readUInt32LE(AT.length);
  if (bytes.readUIntLE(AT.zeros, 3) !== 0) throw damaged('a segment does not begin as one');
  if (length > STREAM_SEGMENT_BYTES_MAX) throw damaged(`a segment of ${length} bytes is above the limit`);
  return {
    stream: bytes.subarray(AT.stream, AT.number),
    number: bytes.readUInt32LE(AT.number),
    length,
    previous: bytes.subarray(AT.previous, AT.digest),
    digest: bytes.subarray(AT.digest),
  };
}

/** Throws 'damaged' unless head and records are those that belong together. */
export function checkStreamSegment(head: Uint8Array, records: Uint8Array, digest: Digest): void {
  const bytes = bufferOf(head);
  if (!equalBytes(bytes.subarray(AT.digest), digest(bytes.subarray(0, AT.digest), records)))
    throw damaged(`segment ${bytes.readUInt32LE(AT.number)} does not match its digest`);
}

/** Follows a stream from segment to segment. What it knows is all that a sender needs to go on after a break. */
export class StreamChain {
  #stream: Uint8Array | undefined;
  #number = 0;
  #previous: Uint8Array = Buffer.alloc(DIGEST_BYTES);

  /** How many segments there were. */
  get segments(): number {
    return this.#number;
  }

  /** The digest of the last segment; zeros before the first. */
  get previous(): Uint8Array {
    return this.#previous;
  }

  /** Takes the next segment. Throws 'damaged' for one that is not the next. */
  follow({ stream, number, previous, digest }: StreamSegmentHead): void {
    if (this.#stream !== undefined && !equalBytes(stream, this.#stream))
      throw damaged(`segment ${number} is of another stream`);
    if (number !== this.#number)
      throw damaged(
        `segment ${number} comes where ${this.#number} should be: one is missing, repeated or out of order`,
      );
    if (!equalBytes(previous, this.#previous))
      throw damaged(`segment ${number} does not follow from the one before`);
    this.#stream = Buffer.from(stream);
    this.#number++;
    this.#previous = Buffer.from(digest);
  }
}

function damaged(why: string): EverfullError {
  return new EverfullError('damaged', `Could not read the stream: ${why}`);
}
