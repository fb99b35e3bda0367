import { bufferOf, EverfullError } from '../base/mod.ts';
import { FRAME_BYTES_MAX, FrameKind } from './frame.ts';
import { ID_BYTES } from './piece.ts';

/** Frames are gathered until a pack has this many bytes. */
export const PACK_BYTES_TARGET = 32 * 1024 * 1024;
/** Most bytes of a pack's table and footer: a full pack of the shortest frames, with room to spare. */
export const PACK_TAIL_BYTES_MAX = 64 * 1024 * 1024;
export const PACK_NAME_BYTES = 16;
export const DIGEST_BYTES = 32;
export const SECRETS_ID_BYTES = 16;

const MAGIC = 'EVFP';
const MAGIC_END = 'PFVE';
const VERSION = 1;

/** magic, version, three zeros, secrets id. */
export const PACK_HEADER_BYTES = 8 + SECRETS_ID_BYTES;
/** id, kind, offset, length, digest. */
export const PACK_ROW_BYTES = ID_BYTES + 1 + 4 + 4 + DIGEST_BYTES;
/** row count, digest of the table, magic. */
export const PACK_FOOTER_BYTES = 4 + DIGEST_BYTES + 4;

/** Where a frame lies in its pack, and the unkeyed digest of its stored bytes. */
export interface PackRow {
  readonly id: Uint8Array;
  readonly kind: FrameKind;
  /** Bytes from the start of the pack. */
  readonly offset: number;
  readonly length: number;
  /** Unkeyed BLAKE3 of the frame, header and body: verification needs no key. */
  readonly digest: Uint8Array;
}

export type Digest = (...parts: Uint8Array[]) => Uint8Array;

export function encodePackHeader(secretsId: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(MAGIC, 'latin1'), Buffer.from([VERSION, 0, 0, 0]), secretsId]);
}

export function decodePackHeader(bytes: Uint8Array): { secretsId: Uint8Array } {
  const buffer = bufferOf(bytes);
  if (buffer.length < PACK_HEADER_BYTES || buffer.toString('latin1', 0, 4) !== MAGIC)
    throw damaged('it does not begin as one');
  if (buffer[4]! > VERSION)
    throw new EverfullError(
      'repository-newer',
      `Could not read a pack: version ${buffer[4]}, not ${VERSION}`,
      { advice: 'Use a newer version of everfull.' },
    );
  if (buffer[4] !== VERSION || buffer.readUIntLE(5, 3) !== 0) throw damaged('it does not begin as one');
  return { secretsId: buffer.subarray(8, PACK_HEADER_BYTES) };
}

/** Table and footer, which follow the last frame. */
export function encodePackTable(rows: readonly PackRow[], digest: Digest): Buffer {
  const tableBytes = rows.length * PACK_ROW_BYTES;
  const bytes = Buffer.alloc(tableBytes + PACK_FOOTER_BYTES);
  let at = 0;
  for (const row of rows) {
    bytes.set(row.id, at);
    bytes[at + ID_BYTES] = row.kind;
    bytes.writeUInt32LE(row.offset, at + ID_BYTES + 1);
    bytes.writeUInt32LE(row.length, at + ID_BYTES + 5);
    bytes.set(row.digest, at + ID_BYTES + 9);
    at += PACK_ROW_BYTES;
  }
  at = bytes.writeUInt32LE(rows.length, at);
  bytes.set(digest(bytes.subarray(0, at)), at);
  bytes.write(MAGIC_END, at + DIGEST_BYTES, 'latin1');
  return bytes;
}

/** How many bytes table and footer take, read from the footer alone. */
export function packTailBytes(footer: Uint8Array, packBytes: number): number {
  const buffer = bufferOf(footer);
  if (buffer.length !== PACK_FOOTER_BYTES || buffer.toString('latin1', PACK_FOOTER_BYTES - 4) !== MAGIC_END)
    throw damaged('it does not end as one');
  const tail = buffer.readUInt32LE(0) * PACK_ROW_BYTES + PACK_FOOTER_BYTES;
  if (tail + PACK_HEADER_BYTES > packBytes) throw damaged('its table is longer than the pack');
  if (tail > PACK_TAIL_BYTES_MAX) throw damaged(`its table has ${tail} bytes, which is above the limit`);
  return tail;
}

/** @param tail table and footer: the last {@link packTailBytes} of a pack of `packBytes` */
export function decodePackTable(tail: Uint8Array, packBytes: number, digest: Digest): PackRow[] {
  const bytes = bufferOf(tail);
  const tableBytes = bytes.length - PACK_FOOTER_BYTES;
  if (packTailBytes(bytes.subarray(tableBytes), packBytes) !== bytes.length)
    throw damaged('its table has another length');
  const sum = bytes.subarray(tableBytes + 4, tableBytes + 4 + DIGEST_BYTES);
  if (!sum.equals(digest(bytes.subarray(0, tableBytes + 4))))
    throw damaged('its table does not match its digest');
  const rows: PackRow[] = [];
  let expected = PACK_HEADER_BYTES;
  for (let at = 0; at < tableBytes; at += PACK_ROW_BYTES) {
    const kind = bytes[at + ID_BYTES] as FrameKind;
    const offset = bytes.readUInt32LE(at + ID_BYTES + 1);
    const length = bytes.readUInt32LE(at + ID_BYTES + 5);
    if (kind < FrameKind.chunk || kind > FrameKind.contentNode)
      throw damaged(`frame kind ${kind} is unknown`);
    if (offset !== expected || length > FRAME_BYTES_MAX)
      throw damaged('its frames do not follow one another');
    expected = offset + length;
    rows.push({
      id: bytes.subarray(at, at + ID_BYTES),
      kind,
      offset,
      length,
      digest: bytes.subarray(at + ID_BYTES + 9, at + PACK_ROW_BYTES),
    });
  }
  if (expected + bytes.length !== packBytes) throw damaged('its frames do not reach its table');
  return rows;
}

function damaged(why: string): EverfullError {
  return new EverfullError('damaged', `Could not read a pack: ${why}`);
}
