import type { ByteString } from '../base/mod.ts';
import type { ExtendedAttribute } from '../format/mod.ts';
import type { CompressionMode } from './compress.ts';
import type { SharedMemory } from './slabs.ts';

/** What a worker is made with. The secrets never leave the process. */
export interface WorkerSetup extends SharedMemory {
  readonly domainSecret: Uint8Array;
  readonly dataKey: Uint8Array;
  readonly dataKeyId: Uint8Array;
  readonly compression: CompressionMode;
}

/** Numbers a file that {@link STAT_FIELDS} describe: what tells whether it was written in between. */
export const STAT_FIELDS = 8;
export const StatField = {
  size: 0,
  mtimeSeconds: 1,
  mtimeNanoseconds: 2,
  ctimeSeconds: 3,
  ctimeNanoseconds: 4,
  inode: 5,
  deviceMajor: 6,
  deviceMinor: 7,
} as const;

/** Reads small files whole, one after another, into a slab. */
export interface ReadTask {
  readonly type: 'read';
  readonly slab: number;
  /** Absolute paths, each followed by a NUL. */
  readonly paths: ByteString;
  /** STAT_FIELDS numbers a file, as seen by the walk. */
  readonly stats: Float64Array;
  /** Where each file goes in the slab; its room ends where the next one's begins, the last one's at `end`. */
  readonly places: Uint32Array;
  readonly end: number;
}

/** What became of a file of a {@link ReadTask}. */
export const ReadStatus = {
  /** Its bytes are those of one moment. */
  whole: 0,
  /** It was written between the walk and now, or while it was read: `stats` has what it is now. */
  changed: 1,
  /** It could not be read; `failures` says why. */
  failed: 2,
} as const;

export interface ReadFailure {
  readonly index: number;
  readonly errno: string;
  readonly message: string;
}

export interface ReadResult {
  readonly status: Uint8Array;
  /** As read just after the file. */
  readonly stats: Float64Array;
  /** Bytes read. */
  readonly lengths: Uint32Array;
  /** 32 bytes a file. */
  readonly fingerprints: Uint8Array;
  readonly attributes: FileAttributes;
  readonly failures: readonly ReadFailure[];
}

/** What only an open file tells. */
export interface FileAttributes {
  readonly inodeFlags: Uint32Array;
  /** Only those that have any. */
  readonly xattrs: readonly { readonly index: number; readonly xattrs: readonly ExtendedAttribute[] }[];
}

/** What is known of a part of a file from the last time: segments in the order of their places. */
export interface KnownSegments {
  /** Where each begins in the file as it is now, if it was not touched. */
  readonly positions: Float64Array;
  readonly lengths: Uint32Array;
  /** 16 bytes each. */
  readonly hashes: Uint8Array;
  /** 32 bytes each: chunks of the last time that need no comparison. */
  readonly chunkIds: Uint8Array;
}

/** Reads the next part of a long file into a slab and cuts it. */
export interface ScanTask {
  readonly type: 'scan';
  readonly slab: number;
  readonly path: ByteString;
  /** STAT_FIELDS numbers, as seen when the file was begun. */
  readonly stat: Float64Array;
  /** Where in the file to go on. */
  readonly position: number;
  /** Whether the file has holes, so that they have to be looked for. */
  readonly isSparse: boolean;
  /** Whether to hash segments of what is new. */
  readonly wantSegments: boolean;
  readonly known: KnownSegments | undefined;
}

export interface ScannedChunk {
  /** In the slab. */
  readonly at: number;
  readonly length: number;
  readonly id: Uint8Array;
  /** 16 bytes for each 16 KiB from the start of the chunk; empty if not wanted or known. */
  readonly segments: Uint8Array;
}

export interface ScanResult {
  readonly failure: ReadFailure | undefined;
  /** Whether the file is still what `stat` says. */
  readonly isUnchanged: boolean;
  readonly stat: Float64Array;
  readonly chunks: readonly ScannedChunk[];
  /** Holes: before which byte of the slab each lies, and its length, in pairs. */
  readonly holes: Float64Array;
  /** Where the next part begins; undefined at the end of the file. */
  readonly next: number | undefined;
  /** For each known segment the byte of the slab from which on the file still has it, or −1. */
  readonly matches: Int32Array;
  readonly attributes: FileAttributes;
}

/** Cuts bytes that are in a slab already: from standard input. */
export interface CutTask {
  readonly type: 'cut';
  readonly slab: number;
  readonly length: number;
  readonly isLast: boolean;
}

export interface CutResult {
  readonly chunks: readonly ScannedChunk[];
  /** Bytes cut; the rest begins the next chunk. */
  readonly used: number;
}

/** Makes frames of some of the chunks in a slab. */
export interface SealTask {
  readonly type: 'seal';
  readonly slab: number;
  /** In the order of their places. */
  readonly chunks: readonly ChunkToSeal[];
}

export interface ChunkToSeal {
  readonly at: number;
  readonly length: number;
  /** Known for chunks of long files. */
  readonly id: Uint8Array | undefined;
}

/** A frame, which lies in the slab now: the chunks that were there are gone. */
export interface SealedChunk {
  readonly id: Uint8Array;
  readonly at: number;
  readonly frameLength: number;
  /** Unkeyed BLAKE3 of the frame. */
  readonly digest: Uint8Array;
  readonly plainLength: number;
}

export type Task = ReadTask | ScanTask | CutTask | SealTask;

export interface TaskResults {
  read: ReadResult;
  scan: ScanResult;
  cut: CutResult;
  seal: readonly SealedChunk[];
}

/** Files below this share chunks; longer ones are cut. The least length of a cut chunk, so neither makes smaller ones. */
export const SMALL_FILE_BYTES_MAX = 512 * 1024;
