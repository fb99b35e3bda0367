import { type ByteString, EverfullError, hexOf } from '../base/mod.ts';
import {
  type Content,
  contentLength,
  decodeEntry,
  type Entry,
  folderPrefix,
  pathKeyOf,
  pathOfKey,
  prefixEnd,
  subtreePrefix,
} from '../format/mod.ts';
import { readAhead } from './read-ahead.ts';
import type { TreeRoot } from './tree-builder.ts';
import {
  compareIndexes,
  type KeyRange,
  leavesInRange,
  lookUp,
  type NodeSource,
  piecesInRange,
} from './tree-reader.ts';

/** Gives the plain bytes of a chunk, authenticated. Rejects with 'damaged' or 'object-missing'. */
export type ChunkSource = (id: Uint8Array) => Promise<Uint8Array>;

/** Where a reader gets what it reads. Whoever gives them decides what is cached. */
export interface ImageSources {
  readonly node: NodeSource;
  readonly chunk: ChunkSource;
}

export interface WalkedEntry {
  readonly path: ByteString;
  readonly key: ByteString;
  readonly entry: Entry;
}

export interface ReadOptions {
  /** How many chunks may be fetched before they are needed. */
  readonly chunksAhead?: number;
}

/** One path at which two images differ; the entry is undefined where the image has none. */
export interface EntryChange {
  readonly path: ByteString;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

const CHUNKS_AHEAD = 4;
/** A hole is given in blocks of at most this many zeros. */
const HOLE_BLOCK_BYTES = 256 * 1024;
const ZEROS: Uint8Array = new Uint8Array(HOLE_BLOCK_BYTES);

/**
 * One image: look up, list, walk, and read any range of any file, each in O(log n) nodes plus what it
 * gives. All paths are absolute. Every method rejects with what its sources reject with, and with
 * 'damaged' where the parts of the image do not fit together.
 */
export class ImageReader {
  readonly #sources: ImageSources;
  readonly #root: TreeRoot;

  constructor(sources: ImageSources, root: TreeRoot) {
    this.#sources = sources;
    this.#root = root;
  }

  /** The entry at exactly this path. */
  async lookUp(path: ByteString): Promise<Entry | undefined> {
    const item = await lookUp(this.#sources.node, this.#root, pathKeyOf(path));
    return item === undefined ? undefined : decodeEntry(item.value);
  }

  /** What is directly in the folder `path`, by name. Nothing for what is no folder. */
  list(path: ByteString): AsyncGenerator<WalkedEntry> {
    return oneByOne(this.listLeaves(path));
  }

  /** {@link list} a leaf of the index at a time: many entries pass faster as arrays than as steps of a generator. */
  listLeaves(path: ByteString): AsyncGenerator<readonly WalkedEntry[]> {
    // The root's own key is the empty one, which the prefix of its children leaves out.
    return this.#leaves(rangeOf(folderPrefix(path)));
  }

  /**
   * What is at `path`, then everything below it in key order: the entries of a folder by name, then the
   * folders in it, by name, each whole. Nothing where there is nothing at `path`.
   */
  walk(path: ByteString): AsyncGenerator<WalkedEntry> {
    return oneByOne(this.walkLeaves(path));
  }

  /** {@link walk} a leaf of the index at a time. */
  async *walkLeaves(path: ByteString): AsyncGenerator<readonly WalkedEntry[]> {
    if (path !== '/') {
      const entry = await this.lookUp(path);
      if (entry === undefined) return;
      yield [{ path, key: pathKeyOf(path), entry }];
    }
    yield* this.#leaves(rangeOf(subtreePrefix(path)));
  }

  async *#leaves(range: KeyRange): AsyncGenerator<readonly WalkedEntry[]> {
    // Neighbours mostly lie in one folder, whose part of key and path is then known.
    let keyStart = '';
    let pathStart = '';
    for await (const items of leavesInRange(this.#sources.node, this.#root, range)) {
      yield items.map(({ key, value }) => {
        if (keyStart === '' || !key.startsWith(keyStart)) {
          const path = pathOfKey(key);
          const nameAt = key.lastIndexOf('\0') + 1;
          keyStart = key.slice(0, nameAt);
          pathStart = path.slice(0, path.length - (key.length - nameAt));
          return { path, key, entry: decodeEntry(value) };
        }
        return { path: pathStart + key.slice(keyStart.length), key, entry: decodeEntry(value) };
      });
    }
  }

  /**
   * The bytes of a content from `offset` on, in blocks of any size; none is empty. Holes are zeros. Blocks
   * are views of memory that others read too: they must not be changed. A range beyond the end ends there.
   */
  async *readRange(
    content: Content,
    offset = 0,
    length = contentLength(content) - offset,
    options: ReadOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const end = Math.min(offset + length, contentLength(content));
    const pieces = piecesInRange(this.#sources.node, content, offset, end - offset);
    const blocks = readAhead(pieces, options.chunksAhead ?? CHUNKS_AHEAD, async ({ piece }) => {
      const { chunk } = piece;
      return { piece, plain: chunk === undefined ? undefined : await this.#sources.chunk(chunk) };
    });
    let left = end - offset;
    for await (const { piece, plain } of blocks) {
      left -= piece.length;
      if (plain === undefined) {
        for (let hole = piece.length; hole > 0; hole -= HOLE_BLOCK_BYTES)
          yield hole < HOLE_BLOCK_BYTES ? ZEROS.subarray(0, hole) : ZEROS;
        continue;
      }
      const to = piece.offset + piece.length;
      if (to > plain.length)
        throw new EverfullError(
          'damaged',
          `Could not read bytes ${piece.offset} to ${to} of chunk ${hexOf(piece.chunk!).slice(0, 16)}: it has ${plain.length}`,
        );
      yield plain.subarray(piece.offset, to);
    }
    if (left > 0)
      throw new EverfullError('damaged', `Could not read a content: its pieces end ${left} bytes too early`);
  }

  /** What differs from this image to `after`, at `path` and below it, in key order. Skips the nodes that both have. */
  async *compare(after: ImageReader, path: ByteString = '/'): AsyncGenerator<EntryChange> {
    const ranges =
      path === '/'
        ? [{}]
        : [{ from: pathKeyOf(path), to: `${pathKeyOf(path)}\0` }, rangeOf(subtreePrefix(path))];
    for (const range of ranges) {
      for await (const change of compareIndexes(this.#sources.node, this.#root, after.#root, range)) {
        yield {
          path: pathOfKey(change.key),
          before: change.before && decodeEntry(change.before.value),
          after: change.after && decodeEntry(change.after.value),
        };
      }
    }
  }
}

async function* oneByOne<T>(leaves: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const leaf of leaves) for (const item of leaf) yield item;
}

function rangeOf(prefix: ByteString): KeyRange {
  return { from: prefix, to: prefixEnd(prefix) };
}
