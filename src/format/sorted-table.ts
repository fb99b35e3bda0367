import { bufferOf, EverfullError } from '../base/mod.ts';
import { DIGEST_BYTES, type Digest, PACK_NAME_BYTES } from './pack.ts';
import { ID_BYTES } from './piece.ts';

/**
 * An immutable table of fixed-size rows sorted by a 32-byte key that is uniformly distributed (a keyed
 * hash), with a Bloom filter. Index segments of a repository are such tables (id → place), and so are
 * the local spill files of fingerprints. `docs/format/segment.md`
 *
 * head (24): magic, version, zero, row bytes u16, rows u32, packs u32, Bloom bytes u32, zeros
 * packs: 16-byte name, u32 bytes of the pack; rows; Bloom filter; digest of the rest (32)
 */
const MAGIC = 'EVFI';
const VERSION = 1;
export const TABLE_HEAD_BYTES = 24;
export const TABLE_PACK_BYTES = PACK_NAME_BYTES + 4;
export const TABLE_ROWS_MAX = 64 * 1024 * 1024;
/** Bloom bits a row, and probes: about 1 % of absent keys pass. */
const BLOOM_BITS_A_ROW = 10;
const BLOOM_PROBES = 6;

export interface TablePack {
  readonly name: Uint8Array;
  readonly bytes: number;
}

export interface TableShape {
  readonly rowBytes: number;
  readonly rows: number;
  readonly packs: number;
  readonly bloomBytes: number;
}

/** Bytes of each part, so that a file can be read in parts. */
export function tableLayout(shape: TableShape): {
  packsAt: number;
  rowsAt: number;
  bloomAt: number;
  end: number;
} {
  const packsAt = TABLE_HEAD_BYTES;
  const rowsAt = packsAt + shape.packs * TABLE_PACK_BYTES;
  const bloomAt = rowsAt + shape.rows * shape.rowBytes;
  return { packsAt, rowsAt, bloomAt, end: bloomAt + shape.bloomBytes + DIGEST_BYTES };
}

/** Whole words of 64 bits. */
function bloomBytesFor(rows: number): number {
  return Math.ceil((rows * BLOOM_BITS_A_ROW) / 64) * 8;
}

/** @param rows row after row, each beginning with its key, sorted, no key twice */
export function encodeTable(
  rowBytes: number,
  rows: Uint8Array,
  packs: readonly TablePack[],
  digest: Digest,
): Buffer {
  const count = rows.length / rowBytes;
  const bloomBytes = bloomBytesFor(count);
  const shape = { rowBytes, rows: count, packs: packs.length, bloomBytes };
  const layout = tableLayout(shape);
  const bytes = Buffer.alloc(layout.end);
  bytes.write(MAGIC, 0, 'latin1');
  bytes[4] = VERSION;
  bytes.writeUInt16LE(rowBytes, 6);
  bytes.writeUInt32LE(count, 8);
  bytes.writeUInt32LE(packs.length, 12);
  bytes.writeUInt32LE(bloomBytes, 16);
  let at = layout.packsAt;
  for (const pack of packs) {
    bytes.set(pack.name, at);
    at = bytes.writeUInt32LE(pack.bytes, at + PACK_NAME_BYTES);
  }
  bytes.set(rows, layout.rowsAt);
  const bloom = bytes.subarray(layout.bloomAt, layout.bloomAt + bloomBytes);
  for (let row = 0; row < count; row++) bloomAdd(bloom, rows, row * rowBytes);
  bytes.set(digest(bytes.subarray(0, layout.end - DIGEST_BYTES)), layout.end - DIGEST_BYTES);
  return bytes;
}

/** Reads the head; `bytes` may be longer. */
export function decodeTableHead(bytes: Uint8Array): TableShape {
  const buffer = bufferOf(bytes);
  if (buffer.length < TABLE_HEAD_BYTES || buffer.toString('latin1', 0, 4) !== MAGIC)
    throw damaged('it does not begin as one');
  if (buffer[4] !== VERSION)
    throw new EverfullError(
      'repository-newer',
      `Could not read an index segment: version ${buffer[4]}, not ${VERSION}`,
      { advice: 'Use a newer version of everfull.' },
    );
  const shape = {
    rowBytes: buffer.readUInt16LE(6),
    rows: buffer.readUInt32LE(8),
    packs: buffer.readUInt32LE(12),
    bloomBytes: buffer.readUInt32LE(16),
  };
  // A filter of another size would deny rows that are there.
  if (
    shape.rowBytes < ID_BYTES ||
    shape.rows > TABLE_ROWS_MAX ||
    shape.packs > TABLE_ROWS_MAX ||
    shape.bloomBytes !== bloomBytesFor(shape.rows) ||
    buffer[5] !== 0 ||
    buffer.readUInt32LE(20) !== 0
  )
    throw damaged('its head does not fit');
  return shape;
}

/** Checks a whole table against its digest and gives its parts as views. */
export function decodeTable(
  bytes: Uint8Array,
  rowBytes: number,
  digest: Digest,
): { shape: TableShape; packs: TablePack[]; rows: Buffer; bloom: Buffer } {
  const buffer = bufferOf(bytes);
  const shape = decodeTableHead(buffer);
  const layout = tableLayout(shape);
  if (shape.rowBytes !== rowBytes || layout.end !== buffer.length)
    throw damaged('its head does not fit its length');
  const end = layout.end - DIGEST_BYTES;
  if (!buffer.subarray(end).equals(digest(buffer.subarray(0, end))))
    throw damaged('it does not match its digest');
  const packs: TablePack[] = [];
  for (let at = layout.packsAt; at < layout.rowsAt; at += TABLE_PACK_BYTES) {
    packs.push({
      name: buffer.subarray(at, at + PACK_NAME_BYTES),
      bytes: buffer.readUInt32LE(at + PACK_NAME_BYTES),
    });
  }
  const rows = buffer.subarray(layout.rowsAt, layout.bloomAt);
  for (let at = rowBytes; at < rows.length; at += rowBytes) {
    if (rows.compare(rows, at - rowBytes, at - rowBytes + ID_BYTES, at, at + ID_BYTES) <= 0)
      throw damaged('its rows are out of order');
  }
  return { shape, packs, rows, bloom: buffer.subarray(layout.bloomAt, end) };
}

/** Keys are uniform, so their own bytes serve as the hashes (Kirsch and Mitzenmacher, 2006). */
function bloomAdd(bloom: Buffer, key: Uint8Array, at: number): void {
  const source = bufferOf(key);
  const step = source.readUInt32LE(at + 12) | 1;
  let hash = source.readUInt32LE(at + 8);
  const bits = bloom.length * 8;
  for (let probe = 0; probe < BLOOM_PROBES; probe++) {
    const bit = hash % bits;
    bloom[bit >>> 3]! |= 1 << (bit & 7);
    hash = (hash + step) >>> 0;
  }
}

/** False: the key is not in the table. True: it may be. */
export function bloomMayHold(bloom: Buffer, key: Uint8Array): boolean {
  if (bloom.length === 0) return false;
  const source = bufferOf(key);
  const step = source.readUInt32LE(12) | 1;
  let hash = source.readUInt32LE(8);
  const bits = bloom.length * 8;
  for (let probe = 0; probe < BLOOM_PROBES; probe++) {
    const bit = hash % bits;
    if ((bloom[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    hash = (hash + step) >>> 0;
  }
  return true;
}

/** The row of `key` in sorted `rows`, or −1: interpolation, since keys are uniform. */
export function findRow(rows: Buffer, rowBytes: number, key: Uint8Array): number {
  let low = 0;
  let high = rows.length / rowBytes - 1;
  const wanted = bufferOf(key);
  const target = wanted.readUInt32BE(0);
  let guess = Math.floor((target / 2 ** 32) * (high + 1));
  while (low <= high) {
    const at = guess * rowBytes;
    const order = wanted.compare(rows, at, at + ID_BYTES, 0, ID_BYTES);
    if (order === 0) return guess;
    if (order > 0) low = guess + 1;
    else high = guess - 1;
    // Interpolate between the ends that remain; halve where their prefixes are equal.
    const first = low <= high ? rows.readUInt32BE(low * rowBytes) : 0;
    const last = low <= high ? rows.readUInt32BE(high * rowBytes) : 0;
    guess =
      last > first && high - low > 8
        ? Math.min(high, Math.max(low, low + Math.floor(((target - first) / (last - first)) * (high - low))))
        : (low + high) >>> 1;
  }
  return -1;
}

/** id, pack number in this table, offset, length, kind. */
export const SEGMENT_ROW_BYTES = ID_BYTES + 4 + 4 + 4 + 1;

export interface SegmentRow {
  readonly id: Uint8Array;
  readonly pack: number;
  readonly offset: number;
  readonly length: number;
  readonly kind: number;
}

export function encodeSegmentRows(rows: readonly SegmentRow[]): Buffer {
  const bytes = Buffer.alloc(rows.length * SEGMENT_ROW_BYTES);
  let at = 0;
  for (const row of rows) {
    bytes.set(row.id, at);
    bytes.writeUInt32LE(row.pack, at + ID_BYTES);
    bytes.writeUInt32LE(row.offset, at + ID_BYTES + 4);
    bytes.writeUInt32LE(row.length, at + ID_BYTES + 8);
    bytes[at + ID_BYTES + 12] = row.kind;
    at += SEGMENT_ROW_BYTES;
  }
  return bytes;
}

export function decodeSegmentRow(rows: Buffer, row: number): SegmentRow {
  const at = row * SEGMENT_ROW_BYTES;
  return {
    id: rows.subarray(at, at + ID_BYTES),
    pack: rows.readUInt32LE(at + ID_BYTES),
    offset: rows.readUInt32LE(at + ID_BYTES + 4),
    length: rows.readUInt32LE(at + ID_BYTES + 8),
    kind: rows[at + ID_BYTES + 12]!,
  };
}

function damaged(why: string): EverfullError {
  return new EverfullError('damaged', `Could not read an index segment: ${why}`);
}
