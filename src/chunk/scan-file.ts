import type { DomainSecrets } from '../crypto/mod.ts';
import { SEGMENT_BYTES } from '../format/mod.ts';
import { close, read, type StatBuffer, seekData, seekHole } from '../os/mod.ts';
import type { Cutter } from './cutter.ts';
import { AttributeCollector, failureOf, openRegular, sameStat, writeStat } from './read-files.ts';
import type { SlabPlace } from './slabs.ts';
import {
  type CutResult,
  type CutTask,
  type KnownSegments,
  type ScannedChunk,
  type ScanResult,
  type ScanTask,
  STAT_FIELDS,
} from './tasks.ts';

const NO_BYTES = new Uint8Array(0);
const NO_MATCHES = new Int32Array(0);

/** Cuts the bytes that are in a slab: whole chunks, and the last one when the data ends. */
function cutAll(
  slab: Uint8Array,
  place: SlabPlace,
  length: number,
  isLast: boolean,
  cutter: Cutter,
  secrets: DomainSecrets,
  wantSegments: boolean,
  known: ReadonlySet<string> = new Set(),
): { chunks: ScannedChunk[]; used: number } {
  const chunks: ScannedChunk[] = [];
  let start = 0;
  while (start < length) {
    const cut = cutter.cutAt(place.at + start, place.at + length, isLast);
    if (cut < 0) break;
    const end = cut - place.at;
    const bytes = slab.subarray(start, end);
    const id = secrets.chunkId(bytes);
    const segments =
      wantSegments && !known.has(id.toString('latin1')) ? hashSegments(bytes, secrets) : NO_BYTES;
    chunks.push({ at: start, length: end - start, id, segments });
    start = end;
  }
  return { chunks, used: start };
}

function hashSegments(bytes: Uint8Array, secrets: DomainSecrets): Uint8Array {
  const count = Math.ceil(bytes.length / SEGMENT_BYTES);
  const hashes = new Uint8Array(count * 16);
  for (let i = 0; i < count; i++)
    hashes.set(secrets.segmentHash(bytes.subarray(i * SEGMENT_BYTES, (i + 1) * SEGMENT_BYTES)), i * 16);
  return hashes;
}

export function cutSlab(
  task: CutTask,
  slabs: readonly Uint8Array[],
  places: readonly SlabPlace[],
  secrets: DomainSecrets,
  cutter: Cutter,
): CutResult {
  return cutAll(slabs[task.slab], places[task.slab], task.length, task.isLast, cutter, secrets, false);
}

/**
 * Reads the next slab of a long file, without its holes, and cuts it: chunks run on across holes, so
 * that many small islands of data share chunks. Stateless: what is left uncut is read again.
 */
export function scanFile(
  task: ScanTask,
  slabs: readonly Uint8Array[],
  places: readonly SlabPlace[],
  secrets: DomainSecrets,
  cutter: Cutter,
  stat: StatBuffer,
): ScanResult {
  const place = places[task.slab];
  const slab = slabs[task.slab].subarray(0, place.length);
  const stats = new Float64Array(STAT_FIELDS);
  const attributes = new AttributeCollector(1);
  try {
    const fd = openRegular(task.path, stat);
    try {
      const size = stat.size;
      const extents = fill(fd, slab, task.position, size, task.isSparse);
      attributes.collect(fd, 0);
      stat.fd(fd);
      writeStat(stat, stats, 0);
      const old = idSet(task.known);
      const { chunks, used } = cutAll(
        slab,
        place,
        extents.bytes,
        extents.isLast,
        cutter,
        secrets,
        task.wantSegments,
        old,
      );
      const isAll = extents.isLast && used === extents.bytes;
      const holes = extents.holes.filter((hole) => hole.before < used || isAll);
      const matches =
        task.known === undefined
          ? NO_MATCHES
          : matchSegments(
              task.known,
              chunks.filter(({ id }) => !old.has(Buffer.from(id).toString('latin1'))),
              extents,
              slab,
              secrets,
            );
      return {
        failure: undefined,
        isUnchanged: sameStat(task.stat, 0, stats, 0) && !extents.isShort,
        stat: stats,
        chunks,
        matches,
        holes: Float64Array.from(holes.flatMap((hole) => [hole.before, hole.length])),
        next: isAll ? undefined : extents.positionOf(used),
        attributes: attributes.done(),
      };
    } finally {
      close(fd);
    }
  } catch (error) {
    return {
      failure: failureOf(0, error),
      isUnchanged: false,
      stat: stats,
      chunks: [],
      holes: new Float64Array(0),
      next: undefined,
      matches: NO_MATCHES,
      attributes: attributes.done(),
    };
  }
}

interface Run {
  /** Where the run begins in the slab and in the file, and its bytes. */
  readonly at: number;
  readonly position: number;
  length: number;
}

/** What was read into the slab: runs of data, and the holes before and between them. */
class Extents {
  readonly runs: Run[] = [];
  readonly holes: { before: number; length: number }[] = [];
  bytes = 0;
  /** Whether the file ends with what was read. */
  isLast = false;
  /** Whether the file ended before its size. */
  isShort = false;

  /** The place in the file of byte `at` of the slab; between two runs, the end of the first, so that the hole is met again. */
  positionOf(at: number): number {
    const run = this.runs.find((candidate) => at <= candidate.at + candidate.length)!;
    return run.position + at - run.at;
  }

  /** The byte of the slab where `length` bytes from `position` of the file lie in one run, or −1. */
  slabPlaceOf(position: number, length: number): number {
    let low = 0;
    let high = this.runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.runs[middle].position <= position) low = middle;
      else high = middle - 1;
    }
    const run = this.runs[low];
    if (run === undefined || position < run.position || position + length > run.position + run.length)
      return -1;
    return run.at + position - run.position;
  }
}

function fill(fd: number, slab: Uint8Array, from: number, size: number, isSparse: boolean): Extents {
  const extents = new Extents();
  let position = from;
  while (extents.bytes < slab.length) {
    let end = size;
    if (isSparse && position < size) {
      const data = seekData(fd, position);
      const start = data < 0 ? size : Math.min(data, size);
      if (start > position) extents.holes.push({ before: extents.bytes, length: start - position });
      position = start;
      if (position < size) {
        const hole = seekHole(fd, position);
        end = hole < 0 ? size : Math.min(hole, size);
      }
    }
    if (position >= size) {
      extents.isLast = true;
      break;
    }
    const run: Run = { at: extents.bytes, position, length: 0 };
    const most = Math.min(end - position, slab.length - extents.bytes);
    while (run.length < most) {
      const got = read(fd, slab, run.at + run.length, most - run.length, position + run.length);
      if (got === 0) break;
      run.length += got;
    }
    if (run.length > 0) extents.runs.push(run);
    extents.bytes += run.length;
    position += run.length;
    if (run.length < most) {
      extents.isShort = true;
      extents.isLast = true;
      break;
    }
  }
  if (position >= size) extents.isLast = true;
  return extents;
}

function idSet(known: KnownSegments | undefined): Set<string> {
  const ids = new Set<string>();
  if (known !== undefined)
    for (let at = 0; at < known.chunkIds.length; at += 32)
      ids.add(Buffer.from(known.chunkIds.subarray(at, at + 32)).toString('latin1'));
  return ids;
}

/** Where the file still has known segments at their places, looked for only in chunks that are new. */
function matchSegments(
  known: KnownSegments,
  fresh: readonly ScannedChunk[],
  extents: Extents,
  slab: Uint8Array,
  secrets: DomainSecrets,
): Int32Array {
  const matches = new Int32Array(known.positions.length).fill(-1);
  if (fresh.length === 0) return matches;
  for (let i = 0; i < matches.length; i++) {
    const length = known.lengths[i];
    const at = extents.slabPlaceOf(known.positions[i], length);
    if (
      length === 0 ||
      at < 0 ||
      !fresh.some((chunk) => at >= chunk.at && at + length <= chunk.at + chunk.length)
    )
      continue;
    const hash = secrets.segmentHash(slab.subarray(at, at + length));
    if (Buffer.compare(hash, known.hashes.subarray(i * 16, i * 16 + 16)) === 0) matches[i] = at;
  }
  return matches;
}
