import { type ByteString, type EverfullError, isEverfullError } from '../base/mod.ts';
import { type Content, FrameKind, type IndexItem, type Piece } from '../format/mod.ts';
import {
  type KeyRange,
  type NodeSource,
  readContentNode,
  readIndexNode,
  type TreeRoot,
} from '../image/mod.ts';

/** Told of a node that cannot be read: how many items were below it, from which key on. */
export type OnLost = (items: number, from: ByteString, error: EverfullError) => void;

interface Ref extends TreeRoot {
  readonly key: ByteString;
}

/** How many leaves are asked for before they are needed. */
const READ_AHEAD = 8;

/**
 * The leaves of an index that touch a range of keys, each as its items within the range, in the order
 * of keys or against it. A damaged node is passed over, and named, since the rest can be restored.
 */
export async function* walkIndex(
  source: NodeSource,
  root: TreeRoot,
  range: KeyRange,
  options: { readonly reverse: boolean; readonly onLost: OnLost },
): AsyncGenerator<readonly IndexItem[]> {
  yield* walkBelow(source, { ...root, key: '' }, range, options);
}

async function* walkBelow(
  source: NodeSource,
  ref: Ref,
  range: KeyRange,
  options: { reverse: boolean; onLost: OnLost },
): AsyncGenerator<readonly IndexItem[]> {
  const { from = '', to } = range;
  let node: Awaited<ReturnType<typeof readIndexNode>>;
  try {
    node = await readIndexNode(source, ref);
  } catch (error) {
    if (!isEverfullError(error)) throw error;
    options.onLost(ref.items, ref.key, error);
    return;
  }
  if (!('children' in node)) {
    const items = node.items.filter(({ key }) => key >= from && (to === undefined || key < to));
    if (items.length > 0) yield options.reverse ? items.reverse() : items;
    return;
  }
  const { children, level } = node;
  const wanted: Ref[] = [];
  for (let i = 0; i < children.length; i++) {
    const isBefore = i + 1 < children.length && children[i + 1].key <= from;
    if (isBefore || (to !== undefined && children[i].key >= to)) continue;
    const { id, items, length, key } = children[i];
    wanted.push({ root: id, level: level - 1, items, length, key });
  }
  if (options.reverse) wanted.reverse();
  for (let i = 0; i < wanted.length; i++) {
    if (level === 1 && i % READ_AHEAD === 0) {
      // A failure shows when the node is needed; here it is only looked away from.
      for (const next of wanted.slice(i + 1, i + READ_AHEAD))
        source(FrameKind.indexNode, next.root).catch(() => {});
    }
    yield* walkBelow(source, wanted[i], range, options);
  }
}

/** A piece of a content and where it begins; or a range that cannot be known, and why. */
export type SoundPiece =
  | { readonly position: number; readonly length: number; readonly piece: Piece; readonly error: undefined }
  | {
      readonly position: number;
      readonly length: number;
      readonly piece: undefined;
      readonly error: EverfullError;
    };

/** The pieces of a content in order. A damaged node is one range that is lost. */
export async function* soundPieces(source: NodeSource, content: Content): AsyncGenerator<SoundPiece> {
  if ('root' in content) yield* soundBelow(source, content, 0);
  else yield* placed(content.pieces, 0);
}

async function* soundBelow(source: NodeSource, ref: TreeRoot, start: number): AsyncGenerator<SoundPiece> {
  let node: Awaited<ReturnType<typeof readContentNode>>;
  try {
    node = await readContentNode(source, ref);
  } catch (error) {
    if (!isEverfullError(error)) throw error;
    yield { position: start, length: ref.length, piece: undefined, error };
    return;
  }
  if (!('children' in node)) {
    yield* placed(node.pieces, start);
    return;
  }
  let position = start;
  for (const { id, items, length } of node.children) {
    yield* soundBelow(source, { root: id, level: node.level - 1, items, length }, position);
    position += length;
  }
}

function* placed(pieces: readonly Piece[], start: number): Generator<SoundPiece> {
  let position = start;
  for (const piece of pieces) {
    yield { position, length: piece.length, piece, error: undefined };
    position += piece.length;
  }
}
