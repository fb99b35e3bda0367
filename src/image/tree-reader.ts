import { type ByteString, EverfullError, hexOf } from '../base/mod.ts';
import {
  type ChildRef,
  type Content,
  type ContentNode,
  contentLength,
  decodeContentNode,
  decodeIndexNode,
  FrameKind,
  type IndexItem,
  type IndexNode,
  type Piece,
} from '../format/mod.ts';
import type { NodeKind, TreeRoot } from './tree-builder.ts';

/** Gives the plain bytes of a node, authenticated. Rejects with 'damaged' or 'object-missing'. */
export type NodeSource = (kind: NodeKind, id: Uint8Array) => Promise<Uint8Array>;

interface Ref extends TreeRoot {
  readonly key: ByteString;
}

function refOf(root: TreeRoot): Ref {
  return { ...root, key: '' };
}

function mismatch(id: Uint8Array): EverfullError {
  return new EverfullError(
    'damaged',
    `Could not read node ${hexOf(id).slice(0, 16)}: it is not what the node above says`,
  );
}

/** A node of the index, checked against what the node above says of it. */
export async function readIndexNode(source: NodeSource, ref: TreeRoot): Promise<IndexNode> {
  const node = decodeIndexNode(await source(FrameKind.indexNode, ref.root));
  const items = 'children' in node ? sum(node.children, (child) => child.items) : node.items.length;
  if (node.level !== ref.level || items !== ref.items) throw mismatch(ref.root);
  return node;
}

/** A node of a content tree, checked likewise. */
export async function readContentNode(source: NodeSource, ref: TreeRoot): Promise<ContentNode> {
  const node = decodeContentNode(await source(FrameKind.contentNode, ref.root));
  const [items, length] =
    'children' in node
      ? [sum(node.children, (child) => child.items), sum(node.children, (child) => child.length)]
      : [node.pieces.length, sum(node.pieces, (piece) => piece.length)];
  if (node.level !== ref.level || items !== ref.items || length !== ref.length) throw mismatch(ref.root);
  return node;
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}

function childRoot(child: ChildRef, level: number): Ref {
  return { root: child.id, level: level - 1, items: child.items, length: child.length, key: child.key };
}

/** The last of `items` whose key is at or before `key`, or −1. */
function lastAtOrBefore(items: readonly { readonly key: ByteString }[], key: ByteString): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (items[middle]!.key <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The item of exactly this key. O(log n) nodes. */
export async function lookUp(
  source: NodeSource,
  root: TreeRoot,
  key: ByteString,
): Promise<IndexItem | undefined> {
  let ref: TreeRoot = root;
  for (;;) {
    const node = await readIndexNode(source, ref);
    if ('children' in node) {
      const at = lastAtOrBefore(node.children, key);
      if (at < 0) return undefined;
      ref = childRoot(node.children[at]!, node.level);
    } else {
      const item = node.items[lastAtOrBefore(node.items, key)];
      return item?.key === key ? item : undefined;
    }
  }
}

export interface KeyRange {
  /** First key that belongs to it. */
  readonly from?: ByteString;
  /** First key after it; undefined for no end. */
  readonly to?: ByteString | undefined;
}

/** Leaves of the index that touch a range of keys, in order: each as its items within the range. */
export async function* leavesInRange(
  source: NodeSource,
  root: TreeRoot,
  range: KeyRange = {},
): AsyncGenerator<readonly IndexItem[]> {
  const { from = '', to } = range;
  const node = await readIndexNode(source, root);
  if ('children' in node) {
    const first = Math.max(0, lastAtOrBefore(node.children, from));
    const wanted: ChildRef[] = [];
    for (let i = first; i < node.children.length && (to === undefined || node.children[i]!.key < to); i++)
      wanted.push(node.children[i]!);
    for await (const [child] of readAhead(source, wanted, node.level))
      yield* leavesInRange(source, child, range);
    return;
  }
  const { items } = node;
  const start = from === '' ? 0 : lastBefore(items, from) + 1;
  const end = to === undefined ? items.length : lastBefore(items, to) + 1;
  if (start < end) yield start === 0 && end === items.length ? items : items.slice(start, end);
}

function lastBefore(items: readonly { readonly key: ByteString }[], key: ByteString): number {
  const at = lastAtOrBefore(items, key);
  return at >= 0 && items[at]!.key === key ? at - 1 : at;
}

/** How many leaves are asked for before they are needed. */
const READ_AHEAD = 8;

/** The children in order; those that are leaves are fetched a little ahead, so that a cache has them. */
async function* readAhead(
  source: NodeSource,
  children: readonly ChildRef[],
  level: number,
): AsyncGenerator<[Ref]> {
  for (let i = 0; i < children.length; i++) {
    // A failure shows when the node is needed; here it is only looked away from.
    if (level === 1 && i % READ_AHEAD === 0)
      for (const next of children.slice(i + 1, i + READ_AHEAD))
        source(FrameKind.indexNode, next.id).catch(() => {});
    yield [childRoot(children[i]!, level)];
  }
}

/** A run of a content: where it begins in the content, and the piece it is. */
export interface PlacedPiece {
  readonly position: number;
  readonly piece: Piece;
}

/** The pieces that cover `length` bytes from `offset`, trimmed to them, in order. O(log n) nodes to the first. */
export async function* piecesInRange(
  source: NodeSource,
  content: Content,
  offset = 0,
  length = contentLength(content) - offset,
): AsyncGenerator<PlacedPiece> {
  const end = offset + length;
  if (!('root' in content)) {
    yield* trimmed(content.pieces, 0, offset, end);
    return;
  }
  yield* below(source, content, 0, offset, end);
}

async function* below(
  source: NodeSource,
  ref: TreeRoot,
  start: number,
  offset: number,
  end: number,
): AsyncGenerator<PlacedPiece> {
  const node = await readContentNode(source, ref);
  if (!('children' in node)) {
    yield* trimmed(node.pieces, start, offset, end);
    return;
  }
  let position = start;
  for (const child of node.children) {
    if (position >= end) return;
    if (position + child.length > offset)
      yield* below(source, childRoot(child, node.level), position, offset, end);
    position += child.length;
  }
}

function* trimmed(
  pieces: readonly Piece[],
  start: number,
  offset: number,
  end: number,
): Generator<PlacedPiece> {
  let position = start;
  for (const piece of pieces) {
    if (position >= end) return;
    const from = Math.max(position, offset);
    const to = Math.min(position + piece.length, end);
    if (from < to) {
      const skip = from - position;
      yield {
        position: from,
        piece:
          skip === 0 && to - from === piece.length
            ? piece
            : {
                length: to - from,
                chunk: piece.chunk,
                offset: piece.chunk === undefined ? 0 : piece.offset + skip,
              },
      };
    }
    position += piece.length;
  }
}

/** One key at which two images differ. */
export interface IndexChange {
  readonly key: ByteString;
  readonly before: IndexItem | undefined;
  readonly after: IndexItem | undefined;
}

/** What differs between two indexes, in key order. Skips every node that both have: O(changes). */
export async function* compareIndexes(
  source: NodeSource,
  before: TreeRoot,
  after: TreeRoot,
  range: KeyRange = {},
): AsyncGenerator<IndexChange> {
  const left = new Cursor(source, before);
  const right = new Cursor(source, after);
  const { from = '', to } = range;
  for (;;) {
    const a = left.peek();
    const b = right.peek();
    if (a === undefined && b === undefined) return;
    if (a !== undefined && b !== undefined && 'root' in a && 'root' in b) {
      if (Buffer.compare(a.root, b.root) === 0) {
        left.skip();
        right.skip();
      } else {
        // The higher, or the one whose range begins first, is opened; both when they begin alike.
        const order = a.level !== b.level ? b.level - a.level : a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
        if (order <= 0) await left.open();
        if (order >= 0) await right.open();
      }
      continue;
    }
    if (a !== undefined && 'root' in a && (b === undefined || 'root' in b || a.key <= b.key)) {
      await left.open();
      continue;
    }
    if (b !== undefined && 'root' in b && (a === undefined || 'root' in a || b.key <= a.key)) {
      await right.open();
      continue;
    }
    const itemA = a as IndexItem | undefined;
    const itemB = b as IndexItem | undefined;
    const takeA = itemA !== undefined && (b === undefined || itemA.key <= b.key);
    const takeB = itemB !== undefined && (a === undefined || itemB.key <= a.key);
    if (takeA) left.skip();
    if (takeB) right.skip();
    const key = (takeA ? itemA : itemB)!.key;
    if (to !== undefined && key >= to) return;
    const same = takeA && takeB && Buffer.compare(itemA.value, itemB.value) === 0;
    if (!same && key >= from)
      yield { key, before: takeA ? itemA : undefined, after: takeB ? itemB : undefined };
  }
}

/** A place in an index: the next thing is a node not yet opened, or an item. */
class Cursor {
  readonly #source: NodeSource;
  readonly #stack: { list: readonly (Ref | IndexItem)[]; at: number }[];

  constructor(source: NodeSource, root: TreeRoot) {
    this.#source = source;
    this.#stack = [{ list: [refOf(root)], at: 0 }];
  }

  peek(): Ref | IndexItem | undefined {
    for (;;) {
      const top = this.#stack.at(-1);
      if (top === undefined) return undefined;
      if (top.at < top.list.length) return top.list[top.at];
      this.#stack.pop();
    }
  }

  skip(): void {
    this.#stack.at(-1)!.at++;
  }

  async open(): Promise<void> {
    const ref = this.peek() as Ref;
    const node = await readIndexNode(this.#source, ref);
    this.skip();
    this.#stack.push({
      list: 'children' in node ? node.children.map((child) => childRoot(child, node.level)) : node.items,
      at: 0,
    });
  }
}
