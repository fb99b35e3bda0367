import { EverfullError, hexOf } from '../../base/mod.ts';
import { decodeContentNode, decodeEntry, decodeIndexNode, entrySize, FrameKind } from '../../format/mod.ts';
import type { NodeKind, NodeSource, TreeRoot } from '../../image/mod.ts';

/** A node as whoever names it knows it. */
export interface NodeRef extends TreeRoot {
  readonly kind: NodeKind;
}

/** What a node says of itself, and what it names. */
export interface NodeParts {
  readonly kind: NodeKind;
  readonly level: number;
  readonly items: number;
  readonly length: number;
  /** Its children; of a leaf of the index the roots of contents. */
  readonly nodes: readonly NodeRef[];
  /** The chunks that it names itself, in order, some more than once. */
  readonly chunks: readonly Uint8Array[];
}

/** Throws 'damaged' for bytes that are no node. */
export function partsOf(kind: NodeKind, plain: Uint8Array): NodeParts {
  const node = kind === FrameKind.indexNode ? decodeIndexNode(plain) : decodeContentNode(plain);
  const { level } = node;
  const nodes: NodeRef[] = [];
  const chunks: Uint8Array[] = [];
  let items = 0;
  let length = 0;
  if ('children' in node) {
    for (const child of node.children) {
      nodes.push({ kind, root: child.id, level: level - 1, items: child.items, length: child.length });
      items += child.items;
      length += child.length;
    }
    return { kind, level, items, length, nodes, chunks };
  }
  const addPieces = (pieces: readonly { readonly chunk: Uint8Array | undefined }[]) => {
    for (const { chunk } of pieces) if (chunk !== undefined) chunks.push(chunk);
  };
  if ('pieces' in node) {
    addPieces(node.pieces);
    for (const piece of node.pieces) length += piece.length;
    return { kind, level, items: node.pieces.length, length, nodes, chunks };
  }
  for (const { value } of node.items) {
    const entry = decodeEntry(value);
    length += entrySize(entry);
    if (entry.content === undefined) continue;
    if ('root' in entry.content) nodes.push({ kind: FrameKind.contentNode, ...entry.content });
    else addPieces(entry.content.pieces);
  }
  return { kind, level, items: node.items.length, length, nodes, chunks };
}

/** 32 bits of what is said of a node, so that what two say of it can be compared. */
export function claimOf({ kind, level, items, length }: Omit<NodeRef, 'root'>): number {
  let hash = kind * 64 + level;
  for (const value of [items, Math.floor(items / 2 ** 32), length, Math.floor(length / 2 ** 32)])
    hash = (Math.imul(hash, 0x01000193) ^ value) >>> 0;
  return hash;
}

/** Throws 'damaged' unless a node is what `ref` says of it. */
export function checkClaim(ref: NodeRef, claim: number): void {
  if (claim !== claimOf(ref))
    throw new EverfullError(
      'damaged',
      `Could not accept node ${hexOf(ref.root).slice(0, 16)}: it is not what the node above says`,
    );
}

/** A tree and the contents below it, node by node, each before what is below it. Never what `enter` refuses. */
export async function* walkNodes(
  source: NodeSource,
  ref: NodeRef,
  enter: (ref: NodeRef) => boolean,
): AsyncGenerator<NodeParts> {
  if (!enter(ref)) return;
  const parts = partsOf(ref.kind, await source(ref.kind, ref.root));
  checkClaim(ref, claimOf(parts));
  yield parts;
  for (const below of parts.nodes) yield* walkNodes(source, below, enter);
}
