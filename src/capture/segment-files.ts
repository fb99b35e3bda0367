import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { equalBytes, errnoOf, hexOf, isEverfullError } from '../base/mod.ts';
import { type KnownSegments, SCAN_BYTES } from '../chunk/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  CHUNK_BYTES_MAX,
  SEGMENT_BYTES,
  type SegmentChunk,
  type SegmentFile,
  segmentFileRecord,
} from '../format/mod.ts';
import { BestEffort } from './best-effort.ts';

/** Shorter files are not worth the hashing: a change costs them a few chunks at most. */
const SEGMENTED_BYTES_MIN = 8 * 1024 * 1024;
/** A file of this length is hashed when it is met first, a shorter one when it is read again: most never are. */
const SEGMENTED_AT_ONCE_BYTES_MIN = 64 * 1024 * 1024;
/** Longer ones would make the segment entries too large to hold; they are compared by chunks. */
const SEGMENTED_BYTES_MAX = 16 * 1024 * 1024 * 1024;

/** Whether to keep segment entries of a file of `size` bytes that is read now. */
export function wantsSegments(size: number, isReadAgain: boolean): boolean {
  const least = isReadAgain ? SEGMENTED_BYTES_MIN : SEGMENTED_AT_ONCE_BYTES_MIN;
  return size >= least && size <= SEGMENTED_BYTES_MAX;
}

const HASH_BYTES = 16;
/** How many segments go along with a scan: those of the bytes that it reads, and a chunk more. */
const SEGMENTS_A_SCAN = (SCAN_BYTES + CHUNK_BYTES_MAX) / SEGMENT_BYTES;

function pathOf(folder: string, fingerprint: Uint8Array): string {
  return `${folder}/segments/${hexOf(fingerprint)}`;
}

/** The segment entries of the file with this fingerprint, if they are there and sound. */
export function readSegments(folder: string, fingerprint: Uint8Array): OldSegments | undefined {
  try {
    const file = segmentFileRecord.decode(readFileSync(pathOf(folder, fingerprint)), digest);
    return equalBytes(file.fingerprint, fingerprint) ? new OldSegments(file) : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined && !isEverfullError(error, 'damaged', 'repository-newer')) throw error;
    return undefined;
  }
}

/**
 * Keeps the segment entries of a backup's long files. Losing them costs space, so they are renamed into
 * place but not synced, and a folder that cannot be written is no failure of the backup.
 */
export class SegmentWriter {
  readonly #folder: string;
  readonly #replaced = new Set<string>();
  readonly #effort = new BestEffort();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Why entries are not kept. */
  get failure(): Error | undefined {
    return this.#effort.failure;
  }

  write(file: SegmentFile): void {
    const path = pathOf(this.#folder, file.fingerprint);
    this.#replaced.delete(path);
    this.#effort.attempt(() => {
      mkdirSync(`${this.#folder}/segments`, { recursive: true, mode: 0o700 });
      // Two backups may write the same.
      const aside = `${path}.${randomBytes(8).toString('hex')}`;
      writeFileSync(aside, segmentFileRecord.encode(file, digest), { mode: 0o600 });
      renameSync(aside, path);
    });
  }

  /** The file that had this fingerprint has another: its entries go once the image is committed. */
  replaces(fingerprint: Uint8Array): void {
    this.#replaced.add(pathOf(this.#folder, fingerprint));
  }

  publish(): void {
    this.#effort.attempt(() => {
      for (const path of this.#replaced) rmSync(path, { force: true });
    });
  }
}

/** How a long file was cut the last time, laid out by its places in the file. */
export class OldSegments {
  readonly fingerprint: Uint8Array;
  readonly chunks: readonly SegmentChunk[];
  /** Where each chunk begins in the file. */
  readonly starts: Float64Array;
  readonly #numbers = new Map<string, number>();
  /** Of all segments: place in the file, length (0 where a hole lies in it), chunk, and offset in the chunk. */
  readonly #positions: Float64Array;
  readonly #lengths: Uint32Array;
  readonly #owners: Uint32Array;
  readonly #offsets: Uint32Array;

  constructor(file: SegmentFile) {
    this.fingerprint = file.fingerprint;
    this.chunks = file.chunks;
    const count = file.chunks.reduce((sum, chunk) => sum + Math.ceil(chunk.length / SEGMENT_BYTES), 0);
    this.starts = new Float64Array(file.chunks.length);
    this.#positions = new Float64Array(count);
    this.#lengths = new Uint32Array(count);
    this.#owners = new Uint32Array(count);
    this.#offsets = new Uint32Array(count);
    let data = 0;
    let skipped = 0;
    let hole = 0;
    let segment = 0;
    const place = (at: number): number => {
      while (hole < file.holes.length && file.holes[hole].before <= at) skipped += file.holes[hole++].length;
      return at + skipped;
    };
    file.chunks.forEach((chunk, number) => {
      this.starts[number] = place(data);
      this.#numbers.set(Buffer.from(chunk.id).toString('latin1'), number);
      for (let offset = 0; offset < chunk.length; offset += SEGMENT_BYTES) {
        const length = Math.min(SEGMENT_BYTES, chunk.length - offset);
        const position = place(data + offset);
        const isSplit = hole < file.holes.length && file.holes[hole].before < data + offset + length;
        this.#positions[segment] = position;
        this.#lengths[segment] = isSplit ? 0 : length;
        this.#owners[segment] = number;
        this.#offsets[segment++] = offset;
      }
      data += chunk.length;
    });
  }

  /** The chunk of this id, preferably the one that begins at `position`; −1 for none. */
  find(id: Uint8Array, position: number): number {
    const number = this.#numbers.get(Buffer.from(id).toString('latin1'));
    if (number === undefined) return -1;
    const near = this.#chunkAt(position);
    return near >= 0 && equalBytes(this.chunks[near].id, id) ? near : number;
  }

  #chunkAt(position: number): number {
    return lastAtOrBefore(this.starts, position);
  }

  /** The segments from place `position` of the file on, if the file was moved by `shift` since. */
  from(position: number, shift: number): { first: number; known: KnownSegments } {
    let first = Math.max(0, lastAtOrBefore(this.#positions, position - shift));
    while (first < this.#positions.length && this.#positions[first] + shift < position) first++;
    const end = Math.min(this.#positions.length, first + SEGMENTS_A_SCAN);
    const positions = this.#positions.slice(first, end).map((at) => at + shift);
    const hashes = new Uint8Array((end - first) * HASH_BYTES);
    for (let i = first; i < end; i++) {
      const at = (this.#offsets[i] / SEGMENT_BYTES) * HASH_BYTES;
      hashes.set(this.chunks[this.#owners[i]].hashes.subarray(at, at + HASH_BYTES), (i - first) * HASH_BYTES);
    }
    const owners =
      first < end ? this.chunks.slice(Math.max(0, this.#owners[first] - 1), this.#owners[end - 1] + 2) : [];
    const chunkIds = new Uint8Array(owners.length * 32);
    owners.forEach((chunk, i) => {
      chunkIds.set(chunk.id, i * 32);
    });
    return { first, known: { positions, lengths: this.#lengths.slice(first, end), hashes, chunkIds } };
  }

  /** The chunk that a segment belongs to, and the segment's offset in it. */
  owner(segment: number): { chunk: SegmentChunk; offset: number } {
    return { chunk: this.chunks[this.#owners[segment]], offset: this.#offsets[segment] };
  }
}

function lastAtOrBefore(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
