import { type ByteString, EverfullError, equalBytes, errnoOf } from '../base/mod.ts';
import {
  type ChunkPipeline,
  type ChunkToSeal,
  type FileAttributes,
  type ReadFailure,
  type ScannedChunk,
  type ScanResult,
  SMALL_FILE_BYTES_MAX,
} from '../chunk/mod.ts';
import type { DomainSecrets } from '../crypto/mod.ts';
import {
  type Content,
  contentLength,
  type Entry,
  type Piece,
  SEGMENT_BYTES,
  type SegmentChunk,
  type SegmentFile,
} from '../format/mod.ts';
import type { NodeSink } from '../image/mod.ts';
import { StatBuffer } from '../os/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import { ChunkGroup, type StoredCounts, storeChunk } from './chunk-group.ts';
import { ContentDraft, refersToStored } from './content-draft.ts';
import type { ChunkRef } from './known-files.ts';
import type { OldSegments } from './segment-files.ts';
import { sizeOf, statFields, wordsOf } from './stat-words.ts';

/** A chunk in more pieces than this is stored anew: reading it would cost too many others. */
const PIECES_A_CHUNK_MAX = 16;

/** What long files are captured with. */
export interface LongFileTools {
  readonly pipeline: ChunkPipeline;
  readonly session: WriteSession;
  readonly secrets: DomainSecrets;
  readonly boundarySeed: number;
  readonly sink: NodeSink;
  readonly counts: StoredCounts;
  /** Rejects when the backup is to stop. */
  check(): void;
  read(bytes: number): void;
}

export interface LongFile {
  readonly fingerprint: Buffer;
  readonly content: Content;
  readonly attributes: FileAttributes;
  /** What the file was when it was begun. */
  readonly words: Uint32Array;
  readonly changedWhileRead: boolean;
  /** For the next time, if wanted and not there. */
  readonly segments: SegmentFile | undefined;
  /** The fingerprint of what the last image has in its place, if that differs. */
  readonly replaces: Uint8Array | undefined;
}

/** The file could not be read. */
export class UnreadableFile extends Error {
  readonly failure: ReadFailure;
  constructor(failure: ReadFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export interface LongFileSource {
  readonly path: ByteString;
  /** The stat words that the walk saw. */
  readonly words: Uint32Array;
  readonly isSparse: boolean;
  readonly wantSegments: boolean;
  readonly old: OldSegments | undefined;
  /** What the last image has under this path, if it is a file. */
  readonly before: Entry | undefined;
  /** Whether `before` comes from the last image because the track log does not know it. */
  readonly isForgotten: boolean;
}

/**
 * Stores what is new of a long file. It is cut by its content; a chunk that the repository has is
 * referenced; of one that it does not, the 16 KiB segments that the last image had in the same place
 * are referenced as slices, and only the rest is stored.
 *
 * A file that changes while it is read is begun once more; then exactly what was read is kept, and said.
 */
export async function captureLongFile(source: LongFileSource, tools: LongFileTools): Promise<LongFile> {
  // Cut anew, a file that is stored as slices looks new: without its segments it is only measured first.
  if (source.isForgotten && contentLength(source.before!.content!) === sizeOf(source.words)) {
    const known = await new LongFileReader(source, tools, { stores: false }).run(true);
    if (known !== undefined) return known;
  }
  const first = await new LongFileReader(source, tools, { stores: true }).run(true);
  if (first !== undefined) return first;
  const words = lookAgain(source.path);
  const changed = { ...source, words, isSparse: true };
  const again = await new LongFileReader(changed, tools, { stores: true }).run(false);
  if (again === undefined) throw new Error('a second reading cannot ask for a third');
  return again;
}

function lookAgain(path: ByteString): Uint32Array {
  const stat = new StatBuffer();
  try {
    if (stat.path(path)) return wordsOf(stat);
  } catch (error) {
    throw new UnreadableFile({ index: 0, errno: errnoOf(error) ?? 'EIO', message: (error as Error).message });
  }
  throw new UnreadableFile({ index: 0, errno: 'ENOENT', message: 'it is gone' });
}

class LongFileReader {
  readonly #source: LongFileSource;
  readonly #tools: LongFileTools;
  readonly #stores: boolean;
  readonly #draft = new ContentDraft();
  readonly #group: ChunkGroup;
  readonly #ids: Uint8Array[] = [];
  readonly #holes: { before: number; length: number }[] = [];
  readonly #layout: {
    id: Uint8Array;
    length: number;
    pieces: { length: number; chunk: ChunkRef; offset: number }[];
    hashes: Uint8Array;
  }[] = [];
  #toSeal: ChunkToSeal[] = [];
  readonly #sealing = new Set<Promise<void>>();
  #failure: unknown;
  /** Bytes of data, without holes, before the slab at hand. */
  #data = 0;
  #shift = 0;

  constructor(source: LongFileSource, tools: LongFileTools, { stores }: { readonly stores: boolean }) {
    this.#source = source;
    this.#tools = tools;
    this.#stores = stores;
    this.#group = new ChunkGroup(tools.pipeline, tools.session, tools.counts);
  }

  /** Undefined where the file changed and may be begun again, or nothing is stored and the last image has another. */
  async run(mayRestart: boolean): Promise<LongFile | undefined> {
    try {
      return await this.#read(mayRestart);
    } finally {
      this.#group.abandon();
      await Promise.all(this.#sealing);
    }
  }

  async #read(mayRestart: boolean): Promise<LongFile | undefined> {
    const { pipeline, check, read } = this.#tools;
    const { path, isSparse, wantSegments, old, words } = this.#source;
    const stat = statFields(words);
    let changedWhileRead = false;
    let result: ScanResult;
    let position: number | undefined = 0;
    let shortFingerprint: Buffer | undefined;
    do {
      check();
      const slab = await pipeline.pools.scans.acquire();
      try {
        const near = old?.from(position, this.#shift);
        result = await pipeline.run({
          type: 'scan',
          slab,
          path,
          stat,
          position,
          isSparse,
          wantSegments,
          known: near?.known,
        });
        if (result.failure !== undefined) throw new UnreadableFile(result.failure);
        if (!result.isUnchanged) {
          if (mayRestart) return undefined;
          changedWhileRead = true;
        }
        // Before the frames take the place of the bytes.
        if (position === 0) shortFingerprint = this.#shortFingerprint(result, slab);
        await this.#take(result, slab, near?.first ?? 0);
      } finally {
        pipeline.pools.scans.release(slab);
      }
      read((result.next ?? this.#draft.length) - position);
      position = result.next;
    } while (position !== undefined);
    await this.#group.finish();
    await Promise.all(this.#sealing);
    if (this.#failure !== undefined) throw this.#failure;
    const { before } = this.#source;
    const fingerprint = shortFingerprint ?? longFingerprintOf(this.#tools.secrets, this.#ids, this.#holes);
    const isSame = before !== undefined && equalBytes(before.fingerprint!, fingerprint);
    const isThere = isSame && refersToStored(before.content!, this.#tools.session);
    if (!this.#stores && !isThere) return undefined;
    const content = isThere
      ? before.content!
      : await this.#draft.finish(this.#tools.boundarySeed, this.#tools.sink, (chunk) =>
          this.#group.settled(chunk),
        );
    const segments =
      wantSegments && this.#stores && !(old !== undefined && equalBytes(old.fingerprint, fingerprint))
        ? this.#segmentFile(fingerprint)
        : undefined;
    return {
      fingerprint,
      content,
      replaces: isSame ? undefined : before?.fingerprint,
      changedWhileRead,
      attributes: result.attributes,
      words,
      segments,
    };
  }

  /** A file that came here for another reason than its length bears the fingerprint that it has elsewhere. */
  #shortFingerprint({ chunks, holes, next }: ScanResult, slab: number): Buffer | undefined {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (next !== undefined || holes.length > 0 || length >= SMALL_FILE_BYTES_MAX) return undefined;
    const { pipeline, secrets } = this.#tools;
    return secrets.fileFingerprint(pipeline.memory(slab).subarray(0, length));
  }

  /** Takes in one slab: chunks and holes in the order of the file. */
  async #take(result: ScanResult, slab: number, firstSegment: number): Promise<void> {
    const { holes } = result;
    let hole = 0;
    let at = 0;
    const emitHoles = (until: number, inclusive: boolean) => {
      while (hole < holes.length && (holes[hole] < until || (inclusive && holes[hole] === until))) {
        this.#holes.push({ before: this.#data + holes[hole], length: holes[hole + 1] });
        this.#draft.hole(holes[hole + 1]);
        hole += 2;
      }
    };
    for (const chunk of result.chunks) {
      emitHoles(at, true);
      const start = this.#draft.length;
      const { pieces, hashes } = await this.#store(chunk, slab, result, firstSegment, start);
      for (const piece of pieces) {
        for (let done = 0; done < piece.length; ) {
          emitHoles(at, true);
          const run = Math.min(
            piece.length - done,
            hole < holes.length ? holes[hole] - at : piece.length - done,
          );
          this.#draft.data(run, piece.chunk, piece.offset + done);
          done += run;
          at += run;
        }
      }
      this.#ids.push(chunk.id);
      if (this.#source.wantSegments)
        this.#layout.push({ id: chunk.id, length: chunk.length, pieces, hashes });
    }
    if (result.next === undefined) emitHoles(at, true);
    this.#data += at;
    await this.#sealNew(slab);
  }

  /** Where the bytes of a chunk are, or will be. */
  async #store(
    chunk: ScannedChunk,
    slab: number,
    result: ScanResult,
    firstSegment: number,
    start: number,
  ): Promise<{ pieces: { length: number; chunk: ChunkRef; offset: number }[]; hashes: Uint8Array }> {
    const { session } = this.#tools;
    const { old } = this.#source;
    const known = old?.find(chunk.id, start - this.#shift) ?? -1;
    let hashes = chunk.segments;
    if (old !== undefined && known >= 0) {
      const before = old.chunks[known];
      const pieces = storedPieces(before);
      // The scan does not hash what it knows, wherever its bytes are stored by now.
      hashes = before.hashes;
      if (before.length === chunk.length && pieces.every((piece) => session.has(piece.chunk.id!))) {
        this.#shift = start - old.starts[known];
        return { pieces, hashes };
      }
    }
    const whole = [{ length: chunk.length, chunk: { id: chunk.id }, offset: 0 }];
    if (!this.#stores || session.has(chunk.id)) return { pieces: whole, hashes };
    const sliced = old === undefined ? undefined : await this.#slice(chunk, slab, result, old, firstSegment);
    if (sliced !== undefined) return { pieces: sliced, hashes };
    this.#toSeal.push({ at: chunk.at, length: chunk.length, id: chunk.id });
    return { pieces: whole, hashes };
  }

  /** Has the new chunks of a slab sealed in their places, while the next slab is read. */
  async #sealNew(slab: number): Promise<void> {
    const chunks = this.#toSeal;
    this.#toSeal = [];
    if (chunks.length === 0) return;
    const { pipeline, session, counts } = this.#tools;
    pipeline.pools.scans.retain(slab);
    const sealing = pipeline
      .run({ type: 'seal', slab, chunks })
      .then((sealed) => {
        for (const one of sealed) storeChunk(session, one, pipeline.memory(slab), counts);
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        pipeline.pools.scans.release(slab);
        this.#sealing.delete(sealing);
      });
    this.#sealing.add(sealing);
    await session.room();
  }

  /** The chunk as slices of what the last image had, and runs that are new; undefined if that is no gain. */
  async #slice(
    chunk: ScannedChunk,
    slab: number,
    result: ScanResult,
    old: OldSegments,
    firstSegment: number,
  ) {
    const { session, pipeline } = this.#tools;
    const { matches } = result;
    const pieces: { length: number; chunk: ChunkRef; offset: number }[] = [];
    const fresh: { piece: number; at: number; length: number }[] = [];
    const addFresh = (from: number, to: number) => {
      for (let at = from; at < to; at += SMALL_FILE_BYTES_MAX) {
        const length = Math.min(SMALL_FILE_BYTES_MAX, to - at);
        fresh.push({ piece: pieces.length, at: chunk.at + at, length });
        pieces.push({ length, chunk: { id: undefined }, offset: 0 });
      }
    };
    let done = 0;
    for (let i = 0; i < matches.length; i++) {
      if (matches[i] < 0) continue;
      const { chunk: owner, offset } = old.owner(firstSegment + i);
      const length = Math.min(SEGMENT_BYTES, owner.length - offset);
      const at = matches[i] - chunk.at;
      if (at < done || at + length > chunk.length) continue;
      const slices = slicesOf(storedPieces(owner), offset, length);
      if (!slices.every((slice) => session.has(slice.chunk.id!))) continue;
      addFresh(done, at);
      for (const slice of slices) pushSlice(pieces, slice);
      done = at + length;
      if (pieces.length > PIECES_A_CHUNK_MAX) return undefined;
    }
    if (done === 0) return undefined;
    addFresh(done, chunk.length);
    if (pieces.length > PIECES_A_CHUNK_MAX) return undefined;
    const memory = pipeline.memory(slab);
    for (const { piece, at, length } of fresh) {
      await this.#group.ready();
      const place = this.#group.add(memory.subarray(at, at + length));
      pieces[piece] = { length, chunk: place.chunk, offset: place.offset };
    }
    return pieces;
  }

  #segmentFile(fingerprint: Buffer): SegmentFile {
    const chunks: SegmentChunk[] = this.#layout.map(({ id, length, pieces, hashes }) => ({
      id,
      length,
      hashes,
      pieces: isWhole(pieces, id)
        ? []
        : pieces.map(
            (piece): Piece => ({ length: piece.length, chunk: piece.chunk.id!, offset: piece.offset }),
          ),
    }));
    return { fingerprint, chunks, holes: this.#holes };
  }
}

/** The fingerprint of a long file: over the ids of its chunks as they were cut, and its holes. */
export function longFingerprintOf(
  secrets: DomainSecrets,
  ids: readonly Uint8Array[],
  holes: readonly { before: number; length: number }[],
): Buffer {
  return secrets.longFingerprint([Buffer.concat(ids), encodeHoles(holes)]);
}

interface Slice {
  length: number;
  readonly chunk: ChunkRef;
  readonly offset: number;
}

function isWhole(pieces: readonly Slice[], id: Uint8Array): boolean {
  return (
    pieces.length === 1 && pieces[0].chunk.id !== undefined && Buffer.compare(pieces[0].chunk.id, id) === 0
  );
}

/** Where the bytes of a chunk of the last time are stored. */
function storedPieces(chunk: SegmentChunk): Slice[] {
  if (chunk.pieces.length === 0) return [{ length: chunk.length, chunk: { id: chunk.id }, offset: 0 }];
  return chunk.pieces.map((piece) => {
    if (piece.chunk === undefined)
      throw new EverfullError('damaged', 'Could not read the segment entries of a file: a chunk has a hole');
    return { length: piece.length, chunk: { id: piece.chunk }, offset: piece.offset };
  });
}

function slicesOf(pieces: readonly Slice[], offset: number, length: number): Slice[] {
  const slices: Slice[] = [];
  let position = 0;
  for (const piece of pieces) {
    const from = Math.max(position, offset);
    const to = Math.min(position + piece.length, offset + length);
    if (from < to)
      slices.push({ length: to - from, chunk: piece.chunk, offset: piece.offset + from - position });
    position += piece.length;
  }
  return slices;
}

/** Adds a slice, joined to the last if it goes on where that ends. */
function pushSlice(pieces: Slice[], slice: Slice): void {
  const last = pieces.at(-1);
  const joins =
    last?.chunk.id !== undefined &&
    slice.chunk.id !== undefined &&
    Buffer.compare(last.chunk.id, slice.chunk.id) === 0 &&
    last.offset + last.length === slice.offset;
  if (joins) pieces[pieces.length - 1] = { ...last, length: last.length + slice.length };
  else pieces.push(slice);
}

function encodeHoles(holes: readonly { before: number; length: number }[]): Buffer {
  const bytes = Buffer.alloc(holes.length * 16);
  holes.forEach(({ before, length }, i) => {
    bytes.writeBigUInt64LE(BigInt(before), i * 16);
    bytes.writeBigUInt64LE(BigInt(length), i * 16 + 8);
  });
  return bytes;
}
