import { type ByteString, bufferOf, displayText, EverfullError, hexOf } from '../base/mod.ts';
import { type Content, contentLength, EntryType, type Piece } from '../format/mod.ts';
import { type ImageReader, piecesInRange } from '../image/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { entryAt, nodesOf, readerOf, throwIfInterrupted } from './reading.ts';

/** One range of a file in its table of contents. */
export interface MapRow {
  /** In the file, in bytes. */
  readonly offset: number;
  readonly length: number;
  /** Undefined for a hole. */
  readonly slice: MapSlice | undefined;
  /** Only where the file is compared with another image's. */
  readonly against: MapReference | undefined;
}

/** The bytes of a chunk that a range is, and where the chunk's frame lies. */
export interface MapSlice {
  /** 64 hexadecimal digits. */
  readonly chunk: string;
  /** In the chunk's plain bytes. */
  readonly offset: number;
  /** Undefined where no pack has the chunk. */
  readonly place: { readonly pack: string; readonly offset: number; readonly length: number } | undefined;
}

/** Whether the other image's file has these very bytes of the chunk, and how far they moved: offset here − offset there. */
export type MapReference =
  | { readonly state: 'new' }
  | { readonly state: 'referenced'; readonly shift: number };

export interface MapTotals {
  /** Bytes of the file. */
  readonly size: number;
  readonly pieces: number;
  readonly holeBytes: number;
  readonly dataBytes: number;
  /** Different chunks. */
  readonly chunks: number;
  /** Data bytes that the other image's file has, and has not; undefined without one. */
  readonly referencedBytes: number | undefined;
  readonly newBytes: number | undefined;
}

export interface MapOptions {
  /** Another image, whose file of the same path is compared. */
  readonly against?: Image | undefined;
}

/**
 * The table of contents of a file, range by range; the generator returns the totals. A piece of which
 * the other image's file has only a part is given in parts. Memory: the pieces of the other file.
 * Rejects with 'path-missing', and with 'usage' for what is no file.
 */
export async function* mapFile(
  context: OperationContext,
  image: Image,
  path: ByteString,
  options: MapOptions = {},
): AsyncGenerator<MapRow, MapTotals> {
  const { repository, signal } = context;
  const content = await contentAt(readerOf(repository, image), image, path);
  const source = nodesOf(repository);
  const known =
    options.against === undefined ? undefined : await KnownSlices.of(context, options.against, path);
  const chunks = new Set<string>();
  let pieces = 0;
  let holeBytes = 0;
  let referencedBytes = 0;
  for await (const { position, piece } of piecesInRange(source, content)) {
    throwIfInterrupted(signal);
    pieces++;
    if (piece.chunk === undefined) {
      holeBytes += piece.length;
      yield { offset: position, length: piece.length, slice: undefined, against: undefined };
      continue;
    }
    const chunk = hexOf(piece.chunk);
    chunks.add(chunk);
    const found = repository.index.find(piece.chunk);
    const place = found && { pack: hexOf(found.pack), offset: found.offset, length: found.length };
    for (const part of known === undefined
      ? [{ skip: 0, length: piece.length, against: undefined }]
      : known.partsOf(piece, position)) {
      if (part.against?.state === 'referenced') referencedBytes += part.length;
      yield {
        offset: position + part.skip,
        length: part.length,
        slice: { chunk, offset: piece.offset + part.skip, place },
        against: part.against,
      };
    }
  }
  const size = contentLength(content);
  const dataBytes = size - holeBytes;
  const compared = known !== undefined;
  return {
    size,
    pieces,
    holeBytes,
    dataBytes,
    chunks: chunks.size,
    referencedBytes: compared ? referencedBytes : undefined,
    newBytes: compared ? dataBytes - referencedBytes : undefined,
  };
}

async function contentAt(reader: ImageReader, image: Image, path: ByteString): Promise<Content> {
  const entry = await entryAt(reader, image, path);
  if (entry.type === EntryType.file) return entry.content!;
  throw new EverfullError('usage', `Could not map "${displayText(path)}": it is no file`, {
    advice: 'Name a file: a folder has no content.',
  });
}

interface KnownSlice {
  /** In the chunk. */
  readonly from: number;
  readonly to: number;
  /** In the file. */
  readonly position: number;
}

interface Part {
  /** From the start of the piece. */
  readonly skip: number;
  readonly length: number;
  readonly against: MapReference;
}

/** What a file of another image uses, by chunk. */
class KnownSlices {
  readonly #slices = new Map<ByteString, KnownSlice[]>();
  /** The shift of the last range: of several places the one that moved as its neighbours did is meant. */
  #shift = 0;

  /** A file that the other image does not hold, or that is no file there, has no slices. */
  static async of(context: OperationContext, image: Image, path: ByteString): Promise<KnownSlices> {
    const known = new KnownSlices();
    const entry = await readerOf(context.repository, image).lookUp(path);
    if (entry?.content === undefined) return known;
    for await (const { position, piece } of piecesInRange(nodesOf(context.repository), entry.content)) {
      if (piece.chunk === undefined) continue;
      const name = bufferOf(piece.chunk).toString('latin1');
      const slices = known.#slices.get(name);
      const slice = { from: piece.offset, to: piece.offset + piece.length, position };
      if (slices === undefined) known.#slices.set(name, [slice]);
      else slices.push(slice);
    }
    return known;
  }

  /** The parts of `piece`, which is at `position` of its file, that the other file has, and those between them. */
  *partsOf(piece: Piece, position: number): Generator<Part> {
    const slices = this.#slices.get(bufferOf(piece.chunk!).toString('latin1')) ?? [];
    const end = piece.offset + piece.length;
    for (let at = piece.offset; at < end; ) {
      const shiftOf = (slice: KnownSlice) =>
        position + at - piece.offset - (slice.position + at - slice.from);
      let best: KnownSlice | undefined;
      let next = end;
      for (const slice of slices) {
        if (slice.from > at) next = Math.min(next, slice.from);
        if (slice.from > at || slice.to <= at) continue;
        if (
          best === undefined ||
          Math.abs(shiftOf(slice) - this.#shift) < Math.abs(shiftOf(best) - this.#shift)
        )
          best = slice;
      }
      const to = best === undefined ? next : Math.min(end, best.to);
      if (best !== undefined) this.#shift = shiftOf(best);
      yield {
        skip: at - piece.offset,
        length: to - at,
        against: best === undefined ? { state: 'new' } : { state: 'referenced', shift: this.#shift },
      };
      at = to;
    }
  }
}
