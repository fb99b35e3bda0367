import { type ByteString, bufferOf } from '../base/mod.ts';
import {
  type ChildRef,
  type ChunkUse,
  type Content,
  contentLength,
  FrameKind,
  NODE_BYTES_HIGH,
  NODE_BYTES_LOW,
  NODE_ITEMS_MAX,
  NodeWriter,
  type Piece,
} from '../format/mod.ts';

export type NodeKind = typeof FrameKind.indexNode | typeof FrameKind.contentNode;

/** A finished node: its plain bytes and what its frame header lists. */
export interface BuiltNode {
  readonly kind: NodeKind;
  readonly plain: Buffer;
  readonly chunks: readonly ChunkUse[];
  readonly nodes: readonly Uint8Array[];
}

/** Takes a node into the repository, unless it is there already, and gives its id. */
export type NodeSink = (node: BuiltNode) => Uint8Array;

/** The root of a tree. */
export interface TreeRoot {
  readonly root: Uint8Array;
  readonly level: number;
  readonly items: number;
  readonly length: number;
}

/**
 * One item in so many ends a node, once it has its least size: measured on trees of a Debian system,
 * so that nodes are 8 KiB on average. Entries take about 130 bytes, children of the index 60, pieces 38.
 */
const ITEMS_TO_BOUNDARY = { entry: 48, indexChild: 96, piece: 160, contentChild: 160 };

interface Level {
  readonly writer: NodeWriter;
  firstKey: ByteString;
  items: number;
  length: number;
  chunks: Map<string, { id: Uint8Array; bytes: number }>;
  nodes: Map<string, Uint8Array>;
  /** Whether a node of this level was finished already: then the level is not the root's. */
  cut: boolean;
}

/**
 * Builds the index or the content of an image from its items in order.
 *
 * Where a node ends depends on the items alone, from the node's start: in the index on their keys, in
 * content on their pieces. So equal runs of items give equal nodes, and a change costs the nodes on
 * its path. Cost: one hash of the key and one copy of the value an item.
 */
export class TreeBuilder {
  readonly #kind: NodeKind;
  readonly #sink: NodeSink;
  readonly #seed: number;
  readonly #levels: Level[] = [];
  readonly #onLeaf: ((leaf: ChildRef) => void) | undefined;

  /**
   * @param seed 32 secret bits of the domain, so that node sizes tell nothing of names
   * @param onLeaf told of each leaf that ended at a boundary of its own: {@link addLeaf} can take it over
   */
  constructor(kind: NodeKind, seed: number, sink: NodeSink, onLeaf?: (leaf: ChildRef) => void) {
    this.#kind = kind;
    this.#onLeaf = onLeaf;
    this.#seed = seed;
    this.#sink = sink;
    this.#level(0);
  }

  #level(level: number): Level {
    let state = this.#levels[level];
    if (state === undefined) {
      state = {
        writer: new NodeWriter(),
        firstKey: '',
        items: 0,
        length: 0,
        chunks: new Map(),
        nodes: new Map(),
        cut: false,
      };
      state.writer.begin(level);
      this.#levels[level] = state;
    }
    return state;
  }

  /** Whether the next item begins a leaf: only then can a whole leaf be taken over by {@link addLeaf}. */
  get atLeafStart(): boolean {
    return this.#levels[0]!.writer.count === 0;
  }

  /** @param content what the encoded entry `value` refers to, undefined where it is no file */
  addEntry(key: ByteString, value: Uint8Array, content: Content | undefined): void {
    const leaf = this.#levels[0]!;
    if (leaf.writer.count === 0) leaf.firstKey = key;
    leaf.writer.entry(key, value);
    leaf.items++;
    if (content !== undefined) {
      leaf.length += contentLength(content);
      collectUses(leaf, content);
    }
    this.#cutAfter(0, hashKey(this.#seed, key), ITEMS_TO_BOUNDARY.entry);
  }

  addPiece(piece: Piece): void {
    const leaf = this.#levels[0]!;
    leaf.writer.piece(piece);
    leaf.items++;
    leaf.length += piece.length;
    this.#cutAfter(0, piece.chunk === undefined ? 0xffffffff : hashId(piece.chunk), ITEMS_TO_BOUNDARY.piece);
  }

  /** Takes over a leaf that ended at a boundary of its own, not at the end of its tree. */
  addLeaf(leaf: ChildRef): void {
    if (!this.atLeafStart) throw new Error('a leaf can be taken over at the start of a leaf only');
    this.#levels[0]!.cut = true;
    this.#addChild(1, leaf);
  }

  #addChild(level: number, child: ChildRef): void {
    const state = this.#level(level);
    if (state.writer.count === 0) state.firstKey = child.key;
    const isIndex = this.#kind === FrameKind.indexNode;
    if (isIndex) state.writer.indexChild(child);
    else state.writer.contentChild(child);
    state.items += child.items;
    state.length += child.length;
    state.nodes.set(latin1(child.id), child.id);
    const hash = isIndex ? hashKey(this.#seed + level, child.key) : hashId(child.id);
    this.#cutAfter(level, hash, isIndex ? ITEMS_TO_BOUNDARY.indexChild : ITEMS_TO_BOUNDARY.contentChild);
  }

  #cutAfter(level: number, hash: number, itemsToBoundary: number): void {
    const { writer } = this.#levels[level]!;
    if (writer.length < NODE_BYTES_LOW) return;
    // An inner node of one child would let a chain of them grow without end.
    if (level > 0 && writer.count < 2) return;
    if (hash % itemsToBoundary === 0 || writer.length >= NODE_BYTES_HIGH || writer.count >= NODE_ITEMS_MAX) {
      const child = this.#cut(level);
      if (level === 0) this.#onLeaf?.(child);
      this.#addChild(level + 1, child);
    }
  }

  #cut(level: number): ChildRef {
    const state = this.#levels[level]!;
    const id = this.#sink({
      kind: this.#kind,
      plain: state.writer.finish(),
      chunks: [...state.chunks.values()],
      nodes: [...state.nodes.values()],
    });
    const child = { key: state.firstKey, id, items: state.items, length: state.length };
    state.writer.begin(level);
    state.items = 0;
    state.length = 0;
    state.firstKey = '';
    if (state.chunks.size > 0) state.chunks = new Map();
    if (state.nodes.size > 0) state.nodes = new Map();
    state.cut = true;
    return child;
  }

  /** Ends the tree. A tree without items is one empty leaf. */
  finish(): TreeRoot {
    for (let level = 0; ; level++) {
      const state = this.#levels[level]!;
      const above = this.#levels[level + 1];
      const isTop = above === undefined;
      if (isTop && level > 0 && state.writer.count === 1 && !state.cut) {
        const only = this.#only(state);
        return { root: only.id, level: level - 1, items: state.items, length: state.length };
      }
      if (isTop && !state.cut) {
        const root = this.#cut(level);
        return { root: root.id, level, items: root.items, length: root.length };
      }
      if (state.writer.count > 0) this.#addChild(level + 1, this.#cut(level));
    }
  }

  #only(state: Level): { id: Uint8Array } {
    for (const id of state.nodes.values()) return { id };
    throw new Error('an inner level of one child has no child');
  }
}

function latin1(id: Uint8Array): string {
  return bufferOf(id).toString('latin1');
}

/** What an entry refers to, for the header of its node. */
function collectUses(leaf: Level, content: Content): void {
  if ('root' in content) {
    leaf.nodes.set(latin1(content.root), content.root);
    return;
  }
  for (const piece of content.pieces) {
    if (piece.chunk === undefined) continue;
    const name = latin1(piece.chunk);
    const use = leaf.chunks.get(name);
    if (use === undefined) leaf.chunks.set(name, { id: piece.chunk, bytes: piece.length });
    else use.bytes += piece.length;
  }
}

/** 32 bits of a key, from the seed: FNV-1a's step, then the finalizer of MurmurHash3. */
function hashKey(seed: number, key: ByteString): number {
  let hash = (seed ^ 0x811c9dc5) | 0;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Ids are keyed hashes: their bytes are as good as any. */
function hashId(id: Uint8Array): number {
  return (id[0]! | (id[1]! << 8) | (id[2]! << 16) | (id[3]! << 24)) >>> 0;
}
