import { type ByteString, bufferOf, EverfullError } from '../base/mod.ts';
import type { ChildRef } from './node.ts';
import { DIGEST_BYTES, type Digest } from './pack.ts';
import { ID_BYTES } from './piece.ts';
import { fixed, list, record, struct, u8, u32, u64 } from './record.ts';

/**
 * The track log: for every entry of a dataset's newest image, in key order, what told that it had not
 * changed, and the entry itself. Local, derived, and checked page by page. `docs/format/track-log.md`
 *
 * A record is padded to eight bytes:
 * 0 u32 record bytes, 4 u32 value bytes, 8 u32 key bytes, 12 u32 flags, 16 the stat words (64),
 * 80 key, value; then, where the record ends a leaf of the index: id (32), items u64, length u64
 */
export const STAT_WORDS = 16;
const AT = { recordBytes: 0, valueBytes: 4, keyBytes: 8, flags: 12, stat: 16, key: 80 };
const LEAF_BYTES = ID_BYTES + 16;

/** Equal stat words mean an equal file. Unset for what was written within two seconds of the look. */
export const TRACK_TRUSTED = 1;
/** The record is the last of a leaf of the index that ended at a boundary of its own. */
export const TRACK_ENDS_LEAF = 2;
/** The record is the first of its leaf. */
export const TRACK_BEGINS_LEAF = 4;

/** A page ends with the first leaf that ends after this many bytes. */
export const TRACK_PAGE_BYTES = 256 * 1024;
/** Bounds memory: a leaf has at most a few large entries. */
export const TRACK_PAGE_BYTES_MAX = 64 * 1024 * 1024;

/** The words of a `struct statx` that tell whether an inode was touched: nlink, uid, gid, mode, inode, size, ctime, mtime, device. */
const STATX_WORDS = [4, 5, 6, 7, 8, 9, 10, 11, 24, 25, 26, 28, 29, 30, 34, 35];

export function statWordsOf(statx: Uint32Array, out: Uint32Array): void {
  for (let i = 0; i < STAT_WORDS; i++) out[i] = statx[STATX_WORDS[i]];
}

/** One record within a page, read in place. */
export class TrackRecord {
  readonly page: Buffer;
  readonly at: number;
  readonly #words: Uint32Array;

  constructor(page: TrackPage, at: number) {
    this.page = page.bytes;
    this.#words = page.words;
    this.at = at;
  }

  get end(): number {
    return this.at + this.#words[this.at >>> 2];
  }

  get flags(): number {
    return this.#words[(this.at + AT.flags) >>> 2];
  }

  get key(): ByteString {
    const from = this.at + AT.key;
    return this.page.toString('latin1', from, from + this.#words[(this.at + AT.keyBytes) >>> 2]);
  }

  get value(): Buffer {
    const from = this.at + AT.key + this.#words[(this.at + AT.keyBytes) >>> 2];
    return this.page.subarray(from, from + this.#words[(this.at + AT.valueBytes) >>> 2]);
  }

  get statWords(): Uint32Array {
    const from = (this.at + AT.stat) >>> 2;
    return this.#words.subarray(from, from + STAT_WORDS);
  }

  /** Whether the statx says what the record says. */
  matches(statx: Uint32Array): boolean {
    const words = this.#words;
    const from = (this.at + AT.stat) >>> 2;
    for (let i = 0; i < STAT_WORDS; i++) if (words[from + i] !== statx[STATX_WORDS[i]]) return false;
    return true;
  }

  /** The leaf that the record ends; its key is that of its first record. */
  leaf(firstKey: ByteString): ChildRef {
    const from = this.end - LEAF_BYTES;
    return {
      key: firstKey,
      id: this.page.subarray(from, from + ID_BYTES),
      items: readU64(this.page, from + ID_BYTES),
      length: readU64(this.page, from + ID_BYTES + 8),
    };
  }
}

function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** A page whose records were checked to lie within it. */
export class TrackPage {
  readonly bytes: Buffer;
  readonly words: Uint32Array;

  /** @param bytes at an address divisible by four. Throws 'damaged'. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    if (bytes.length % 8 !== 0) throw damagedLog('a page has a broken end');
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    for (let at = 0; at < bytes.length; ) {
      if (bytes.length - at < AT.key) throw damagedLog('a record does not fit its page');
      const recordBytes = this.words[at >>> 2];
      const keyBytes = this.words[(at + AT.keyBytes) >>> 2];
      const valueBytes = this.words[(at + AT.valueBytes) >>> 2];
      const flags = this.words[(at + AT.flags) >>> 2];
      const least = AT.key + keyBytes + valueBytes + (flags & TRACK_ENDS_LEAF ? LEAF_BYTES : 0);
      if (recordBytes % 8 !== 0 || recordBytes < least || at + recordBytes > bytes.length)
        throw damagedLog('a record does not fit its page');
      at += recordBytes;
    }
  }
}

/** Encodes records; {@link take} hands over a page. */
export class TrackPageWriter {
  #bytes = Buffer.alloc(TRACK_PAGE_BYTES * 2);
  #last = -1;
  length = 0;
  records = 0;

  #room(bytes: number): void {
    if (this.length + bytes > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes], Math.max(this.#bytes.length * 2, this.length + bytes));
  }

  add(key: ByteString, value: Uint8Array, statWords: Uint32Array, flags: number): void {
    const bytes = (AT.key + key.length + value.length + 7) & ~7;
    // Room for the leaf too, should the record turn out to end one.
    this.#room(bytes + LEAF_BYTES);
    const at = this.length;
    const out = this.#bytes;
    out.fill(0, at + bytes - 8, at + bytes);
    out.writeUInt32LE(bytes, at);
    out.writeUInt32LE(value.length, at + AT.valueBytes);
    out.writeUInt32LE(key.length, at + AT.keyBytes);
    out.writeUInt32LE(flags, at + AT.flags);
    for (let i = 0; i < STAT_WORDS; i++) out.writeUInt32LE(statWords[i], at + AT.stat + i * 4);
    out.write(key, at + AT.key, key.length, 'latin1');
    out.set(value, at + AT.key + key.length);
    this.#last = at;
    this.length = at + bytes;
    this.records++;
  }

  /** Says that the record added last ends a leaf. */
  endLeaf(leaf: ChildRef): void {
    const at = this.#last;
    const out = this.#bytes;
    out.writeUInt32LE(this.length - at + LEAF_BYTES, at);
    out.writeUInt32LE(out.readUInt32LE(at + AT.flags) | TRACK_ENDS_LEAF, at + AT.flags);
    out.set(leaf.id, this.length);
    let place = this.length + ID_BYTES;
    for (const number of [leaf.items, leaf.length]) {
      place = out.writeUInt32LE(number % 2 ** 32, place);
      place = out.writeUInt32LE(Math.floor(number / 2 ** 32), place);
    }
    this.length += LEAF_BYTES;
  }

  /** Copies the records of whole leaves. */
  addRaw(records: Uint8Array, count: number): void {
    this.#room(records.length);
    this.#bytes.set(records, this.length);
    this.length += records.length;
    this.records += count;
  }

  /** The page so far, valid until the next call; the writer begins anew. */
  take(): Buffer {
    const page = this.#bytes.subarray(0, this.length);
    this.length = 0;
    this.records = 0;
    return page;
  }
}

const page = struct({ bytes: u32, records: u32, digest: fixed(DIGEST_BYTES) });

/** `head`: which image the log belongs to, and the pages of its file. */
export const trackHeadRecord = record(32, 2, 'a track log', {
  repositoryId: fixed(16),
  dataset: fixed(16),
  image: fixed(ID_BYTES),
  sequence: u64,
  root: fixed(ID_BYTES),
  level: u8,
  items: u64,
  length: u64,
  /** Entries that changed since it was last looked at which chunks are hardly used any more. */
  turnover: u64,
  /** The name of the file with the pages. */
  file: fixed(16),
  pages: list(page, 16_000_000),
});

/** The digest of a page must match before {@link TrackPage} looks at it. */
export function checkTrackPage(bytes: Uint8Array, expected: Uint8Array, digest: Digest): void {
  if (!bufferOf(digest(bytes)).equals(expected)) throw damagedLog('a page does not match its digest');
}

function damagedLog(why: string): EverfullError {
  return new EverfullError('damaged', `Could not read a track log: ${why}`);
}
