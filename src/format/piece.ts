import type { ByteReader, ByteWriter } from './wire.ts';

export const ID_BYTES = 32;

/** Most plain bytes in a chunk. */
export const CHUNK_BYTES_MAX = 4 * 1024 * 1024;

/** A run of a file's or disk's bytes: a slice of a chunk, or a hole where `chunk` is undefined. */
export interface Piece {
  /** Bytes, at least 1. */
  readonly length: number;
  readonly chunk: Uint8Array | undefined;
  /** Where the slice begins in the chunk; 0 in a hole. */
  readonly offset: number;
}

/** The root of a content tree, or the pieces themselves when they are few. */
export type Content =
  | { readonly pieces: readonly Piece[] }
  | { readonly root: Uint8Array; readonly level: number; readonly items: number; readonly length: number };

/** Most pieces that are written into the entry itself instead of a content tree. */
export const INLINE_PIECES_MAX = 4;

/** Deepest tree that is accepted: 2^53 items at two a node. */
export const TREE_LEVEL_MAX = 53;

export function writePiece(writer: ByteWriter, piece: Piece): void {
  if (piece.chunk === undefined) {
    writer.varint(piece.length * 2);
  } else {
    writer
      .varint(piece.length * 2 + 1)
      .bytes(piece.chunk)
      .varint(piece.offset);
  }
}

export function readPiece(reader: ByteReader): Piece {
  const tagged = reader.varint();
  const length = Math.floor(tagged / 2);
  if (length === 0) throw reader.damaged('a piece is empty');
  if (tagged % 2 === 0) return { length, chunk: undefined, offset: 0 };
  const chunk = reader.bytes(ID_BYTES);
  const offset = reader.varint(CHUNK_BYTES_MAX);
  if (offset + length > CHUNK_BYTES_MAX) throw reader.damaged('a slice ends beyond the largest chunk');
  return { length, chunk, offset };
}

/** The length in bytes of what `content` describes. */
export function contentLength(content: Content): number {
  if ('root' in content) return content.length;
  let length = 0;
  for (const piece of content.pieces) length += piece.length;
  return length;
}
