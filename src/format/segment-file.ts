import { CHUNK_BYTES_MAX, ID_BYTES, type Piece, readPiece, writePiece } from './piece.ts';
import { block, type FieldType, fixed, list, record, struct, u32, u64, type ValuesOf } from './record.ts';

/** Bytes of a long file that are compared and hashed as one. */
export const SEGMENT_BYTES = 16 * 1024;
export const SEGMENT_HASH_LENGTH = 16;

const piece: FieldType<Piece> = { name: 'piece', write: writePiece, read: readPiece };

const segmentChunk = struct({
  id: fixed(ID_BYTES),
  length: u32,
  /** Where its bytes are stored, if not as a chunk of this id. */
  pieces: list(piece, 64),
  /** 16 bytes for each 16 KiB of it. */
  hashes: block((CHUNK_BYTES_MAX / SEGMENT_BYTES) * SEGMENT_HASH_LENGTH),
});
export type SegmentChunk = ValuesOf<typeof segmentChunk.fields>;

/**
 * The segment entries of a long file: how it was cut, where each chunk is stored, and a hash of every
 * 16 KiB, so that a change inside a chunk costs itself. Local and derived. `docs/format/track-log.md`
 */
export const segmentFileRecord = record(
  33,
  1,
  'the segment entries of a file',
  {
    fingerprint: fixed(ID_BYTES),
    chunks: list(segmentChunk, 1_000_000),
    /** Before which byte of the data (the file without its holes) each hole lies, and its length. */
    holes: list(struct({ before: u64, length: u64 }), 16_000_000),
  },
  128 * 1024 * 1024,
);
export type SegmentFile = ReturnType<typeof segmentFileRecord.decode>;
