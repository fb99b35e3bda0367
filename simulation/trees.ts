import type { ByteString } from '../src/base/mod.ts';
import { encodeFrame } from '../src/chunk/mod.ts';
import { type DomainSecrets, digest, Sealer } from '../src/crypto/mod.ts';
import {
  type Content,
  EntryType,
  encodeEntry,
  FrameKind,
  INLINE_PIECES_MAX,
  type Piece,
  pathKeyOf,
} from '../src/format/mod.ts';
import { ImageReader, TreeBuilder, type TreeRoot } from '../src/image/mod.ts';
import { entryOf } from '../src/operations/testing/small-repository.ts';
import type { Manifest, Repository, WriteSession } from '../src/repository/mod.ts';
import type { Dice } from './dice.ts';

/** Files by path, each the numbers of its chunks in the pool. */
export type Tree = ReadonlyMap<ByteString, readonly number[]>;

/** What a writer remembers of an image that it made: its track log. */
export interface BuiltTree {
  readonly tree: Tree;
  readonly root: TreeRoot;
  readonly contents: ReadonlyMap<ByteString, Content>;
}

const PATHS: readonly ByteString[] = ['/a', '/b', '/c', '/d/e', '/d/f'];
const CHUNK_BYTES_MAX = 600;
/** Some files are long enough for a content tree. */
const PIECES_MAX = INLINE_PIECES_MAX + 2;

/** The few contents that files of a world have, so that what was forgotten often comes again. */
export function rollPool(dice: Dice): Buffer[] {
  return Array.from({ length: dice.between(4, 10) }, () => dice.bytes(dice.between(20, CHUNK_BYTES_MAX)));
}

/** The tree after a day's work on `before`. */
export function rollTree(dice: Dice, pool: readonly Buffer[], before: Tree = new Map()): Tree {
  const tree = new Map(before);
  const changes = dice.below(before.size === 0 ? 5 : 3);
  for (let i = 0; i < changes; i++) {
    const path = dice.pick(PATHS);
    if (dice.chance(0.2)) tree.delete(path);
    else {
      const pieces = dice.chance(0.3) ? PIECES_MAX : dice.between(0, 2);
      tree.set(
        path,
        Array.from({ length: pieces }, () => dice.below(pool.length)),
      );
    }
  }
  return tree;
}

export function bytesOf(chunks: readonly number[], pool: readonly Buffer[]): Buffer {
  return Buffer.concat(chunks.map((chunk) => pool[chunk]!));
}

/**
 * Stores a tree as a backup does. What is as it was in `base` is taken over without a look at the store:
 * the base is pinned.
 */
export function buildTree(
  session: WriteSession,
  secrets: DomainSecrets,
  pool: readonly Buffer[],
  tree: Tree,
  base: BuiltTree | undefined,
): BuiltTree {
  if (base !== undefined && isSame(base.tree, tree)) return { ...base, tree };
  const contents = new Map<ByteString, Content>();
  const sealer = new Sealer(session.dataKey.key, session.dataKey.id);
  for (const [path, chunks] of tree) {
    const known =
      base !== undefined && base.tree.get(path)?.join() === chunks.join() && base.contents.get(path);
    contents.set(
      path,
      known ||
        contentOf(
          chunks.map((chunk) => storedPiece(session, secrets, sealer, pool[chunk]!)),
          session,
        ),
    );
  }
  const entries = new Map<ByteString, ReturnType<typeof entryOf>>([
    ['/', entryOf({})],
    ['/d', entryOf({})],
  ]);
  for (const [path, content] of contents) {
    const fingerprint = digest(bytesOf(tree.get(path)!, pool));
    entries.set(path, entryOf({ type: EntryType.file, mode: 0o644, content, fingerprint }));
  }
  const builder = new TreeBuilder(FrameKind.indexNode, secrets.boundaryKey.readUInt32LE(0), (node) =>
    session.addNode(node),
  );
  const keys = [...entries].map(([path, entry]) => [pathKeyOf(path), entry] as const);
  for (const [key, entry] of keys.sort(([a], [b]) => (a < b ? -1 : 1)))
    builder.addEntry(key, encodeEntry(entry), entry.content);
  return { tree, root: builder.finish(), contents };
}

function isSame(a: Tree, b: Tree): boolean {
  const text = (tree: Tree) =>
    [...tree]
      .map(([path, chunks]) => `${path}=${chunks.join()}`)
      .sort()
      .join(';');
  return text(a) === text(b);
}

function storedPiece(session: WriteSession, secrets: DomainSecrets, sealer: Sealer, plain: Buffer): Piece {
  const id = secrets.chunkId(plain);
  if (!session.has(id)) {
    const frame = encodeFrame(
      { kind: FrameKind.chunk, id, plain, chunks: [], nodes: [] },
      sealer,
      secrets.secretsId,
      'off',
    );
    session.addChunk(id, frame, digest(frame));
  }
  return { length: plain.length, chunk: id, offset: 0 };
}

function contentOf(pieces: readonly Piece[], session: WriteSession): Content {
  if (pieces.length <= INLINE_PIECES_MAX) return { pieces };
  const builder = new TreeBuilder(FrameKind.contentNode, 0, (node) => session.addNode(node));
  for (const piece of pieces) builder.addPiece(piece);
  return builder.finish();
}

export interface ReadingHooks {
  /** Awaited before each file. */
  readonly between?: () => Promise<void>;
  /** Told of each frame that is read. */
  readonly onFrame?: (id: Uint8Array) => void;
}

/** Reads all of an image. How it differs from `tree`, in words; undefined where it does not. */
export async function differenceOf(
  repository: Repository,
  { header }: Manifest,
  tree: Tree,
  pool: readonly Buffer[],
  { between, onFrame }: ReadingHooks = {},
): Promise<string | undefined> {
  const plain = async (kind: FrameKind, id: Uint8Array) => {
    onFrame?.(id);
    return (await repository.frame(kind, id)).plain;
  };
  const reader = new ImageReader(
    { node: plain, chunk: (id) => plain(FrameKind.chunk, id) },
    indexRootOf({ header }),
  );
  const missing = new Set(tree.keys());
  for await (const { path, entry } of reader.walk('/')) {
    if (entry.type !== EntryType.file) continue;
    await between?.();
    const chunks = tree.get(path);
    if (chunks === undefined) return `it has ${path}, which was not there`;
    missing.delete(path);
    const blocks: Uint8Array[] = [];
    for await (const block of reader.readRange(entry.content!)) blocks.push(block);
    if (!Buffer.concat(blocks).equals(bytesOf(chunks, pool))) return `${path} has other bytes`;
  }
  return missing.size === 0 ? undefined : `it lacks ${[...missing].join(', ')}`;
}

function indexRootOf({ header }: Pick<Manifest, 'header'>): TreeRoot {
  return {
    root: header.indexRoot,
    level: header.indexLevel,
    items: header.indexItems,
    length: header.indexLength,
  };
}
