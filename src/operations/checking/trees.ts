import { type ByteString, bufferOf, EverfullError, hexOf, isEverfullError } from '../../base/mod.ts';
import {
  type ChildRef,
  type Content,
  type ContentNode,
  decodeContentNode,
  decodeEntry,
  decodeIndexNode,
  entrySize,
  FrameKind,
  type IndexItem,
  type IndexNode,
  isPathKey,
  type Piece,
} from '../../format/mod.ts';
import { checkLists, listsOf, type NodeKind, readAhead, type TreeRoot } from '../../image/mod.ts';
import type { Repository } from '../../repository/mod.ts';
import { IdTable } from './id-table.ts';
import type { FrameLosses } from './losses.ts';

/** A node as its parent knows it. */
interface NodeRef extends TreeRoot {
  readonly kind: NodeKind;
  /** In an index, the first key; undefined for a root. */
  readonly key: ByteString | undefined;
  /** In an index, what every key is below. */
  readonly to: ByteString | undefined;
}

const NODES_AHEAD = 8;

/**
 * Walks the trees of images, each node once however many images share it, and checks that nodes say
 * what their parents say of them and that every chunk is where the index places it. Remembers which
 * nodes lead to something lost. Memory: about 60 bytes a node, and the ids of nodes that lead to a loss.
 */
export class TreeCheck {
  readonly #repository: Repository;
  readonly #losses: FrameLosses;
  readonly #isLoss: (error: EverfullError) => boolean;
  readonly #checkpoint: () => void;
  /** What was claimed of each node that was visited. */
  readonly #visited = new IdTable();
  readonly #touched = new Set<ByteString>();
  /** Packs, in hexadecimal, of which something is used. */
  readonly usedPacks = new Set<string>();
  #lastPack: Uint8Array | undefined;

  /** @param checkpoint called now and then; throws to end the walk */
  /** @param isLoss which errors say that a node is lost; any other ends the walk */
  constructor(
    repository: Repository,
    losses: FrameLosses,
    checkpoint: () => void,
    isLoss: (error: EverfullError) => boolean = ({ code }) => code !== 'interrupted',
  ) {
    this.#repository = repository;
    this.#losses = losses;
    this.#checkpoint = checkpoint;
    this.#isLoss = isLoss;
  }

  get nodes(): number {
    return this.#visited.size;
  }

  get hasLosses(): boolean {
    return this.#touched.size > 0;
  }

  /** Whether something below this node is lost, or it is itself; known of nodes that were visited. */
  isTouched(id: Uint8Array): boolean {
    return this.#touched.has(nameOf(id));
  }

  /** Walks an image's index, and the contents in it. */
  async image(root: TreeRoot): Promise<void> {
    await this.#visit({ ...root, kind: FrameKind.indexNode, key: undefined, to: undefined });
  }

  /** Whether the node is touched. */
  async #visit(ref: NodeRef, loaded?: Promise<IndexNode | ContentNode | undefined>): Promise<boolean> {
    this.#checkpoint();
    const claim = claimOf(ref);
    const known = this.#visited.get(ref.root);
    if (known !== undefined) {
      if (known !== claim) this.#lose(ref.root, damaged(ref, 'two nodes say different things of it'));
      return this.isTouched(ref.root);
    }
    const node = await (loaded ?? this.#load(ref));
    this.#visited.set(ref.root, claim);
    let isTouched = node === undefined;
    if (node !== undefined) {
      if ('children' in node) isTouched = await this.#visitChildren(ref, node.children);
      else if ('pieces' in node) isTouched = this.#hasLostPiece(node.pieces);
      else isTouched = await this.#visitLeaf(node.items);
    }
    if (isTouched) this.#touched.add(nameOf(ref.root));
    return isTouched;
  }

  async #visitChildren(ref: NodeRef, children: readonly ChildRef[]): Promise<boolean> {
    const { kind, level } = ref;
    const isIndex = kind === FrameKind.indexNode;
    const refs = children.map(
      ({ key, id, items, length }, i): NodeRef => ({
        kind,
        root: id,
        level: level - 1,
        items,
        length,
        key: isIndex ? key : undefined,
        to: isIndex ? (children[i + 1]?.key ?? ref.to) : undefined,
      }),
    );
    const fetch = async (child: NodeRef) => ({
      child,
      node: this.#visited.get(child.root) === undefined ? await this.#load(child) : undefined,
    });
    let isTouched = false;
    for await (const { child, node } of readAhead(refs, level === 1 ? NODES_AHEAD : 1, fetch)) {
      if (await this.#visit(child, Promise.resolve(node))) isTouched = true;
    }
    return isTouched;
  }

  async #visitLeaf(items: readonly IndexItem[]): Promise<boolean> {
    let isTouched = false;
    for (const { value } of items) {
      const { content } = decodeEntry(value);
      if (content !== undefined && (await this.#isContentLost(content))) isTouched = true;
    }
    return isTouched;
  }

  async #isContentLost(content: Content): Promise<boolean> {
    if (!('root' in content)) return this.#hasLostPiece(content.pieces);
    const { root, level, items, length } = content;
    return this.#visit({
      root,
      level,
      items,
      length,
      kind: FrameKind.contentNode,
      key: undefined,
      to: undefined,
    });
  }

  #hasLostPiece(pieces: readonly Piece[]): boolean {
    let isLost = false;
    for (const piece of pieces)
      if (piece.chunk !== undefined && this.#isSliceLost(piece.chunk, piece.offset + piece.length))
        isLost = true;
    return isLost;
  }

  #isSliceLost(chunk: Uint8Array, end: number): boolean {
    const place = this.#repository.index.findFormer(chunk);
    if (place !== undefined) this.#use(place.pack);
    return this.#losses.objectOfSlice(chunk, end, place) !== undefined;
  }

  #use(pack: Uint8Array): void {
    // One chunk's pack is mostly the next one's.
    if (pack === this.#lastPack) return;
    this.#lastPack = pack;
    this.usedPacks.add(hexOf(pack));
  }

  #lose(id: Uint8Array, error: EverfullError): void {
    const place = this.#repository.index.findFormer(id);
    this.#losses.loseFrame(id, place && hexOf(place.pack), error);
    this.#touched.add(nameOf(id));
  }

  /** The node, where everything about it is as it should be; else it is lost. */
  async #load(ref: NodeRef): Promise<IndexNode | ContentNode | undefined> {
    const { kind, root } = ref;
    try {
      const { pack } = await this.#repository.frames.locate(root);
      this.#use(pack);
      const { plain, header } = await this.#repository.open(
        await this.#repository.frames.storedFrame(root),
        kind,
        root,
      );
      checkLists(header, listsOf(kind, plain));
      const node = kind === FrameKind.indexNode ? decodeIndexNode(plain) : decodeContentNode(plain);
      const why = mismatchOf(ref, node);
      if (why !== undefined) throw damaged(ref, why);
      return node;
    } catch (error) {
      if (!isEverfullError(error) || !this.#isLoss(error)) throw error;
      this.#lose(root, error);
      return undefined;
    }
  }
}

function nameOf(id: Uint8Array): ByteString {
  return bufferOf(id).toString('latin1');
}

function damaged({ root }: NodeRef, why: string): EverfullError {
  return new EverfullError('damaged', `Could not accept node ${hexOf(root).slice(0, 16)}: ${why}`);
}

/** 32 bits of what a parent says of a node, so that two parents can be compared. */
function claimOf({ kind, level, items, length }: NodeRef): number {
  let hash = kind * 64 + level;
  for (const value of [items, Math.floor(items / 2 ** 32), length, Math.floor(length / 2 ** 32)])
    hash = (Math.imul(hash, 0x01000193) ^ value) >>> 0;
  return hash;
}

function mismatchOf(ref: NodeRef, node: IndexNode | ContentNode): string | undefined {
  if (node.level !== ref.level) return `it is of level ${node.level}, not ${ref.level}`;
  const list: readonly { readonly key?: ByteString }[] =
    'children' in node ? node.children : 'items' in node ? node.items : [];
  const sizes =
    'children' in node
      ? node.children
      : 'items' in node
        ? node.items.map(({ value }) => ({ items: 1, length: entrySize(decodeEntry(value)) }))
        : node.pieces.map(({ length }) => ({ items: 1, length }));
  const items = sizes.reduce((sum, size) => sum + size.items, 0);
  const length = sizes.reduce((sum, size) => sum + size.length, 0);
  if (items !== ref.items || length !== ref.length)
    return `it has ${items} items of ${length} bytes, not ${ref.items} of ${ref.length}`;
  if (ref.kind !== FrameKind.indexNode) return undefined;
  if (ref.key !== undefined && list[0]?.key !== ref.key)
    return 'its first key is another than the node above says';
  if (list.some(({ key }) => !isPathKey(key!))) return 'a key of it is no path';
  if (ref.to !== undefined && list[list.length - 1]!.key! >= ref.to)
    return 'its keys reach into the next node';
  return undefined;
}
