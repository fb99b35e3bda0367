import { type ByteString, bufferOf, EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import {
  type ChunkUse,
  decodeContentNode,
  decodeEntry,
  decodeIndexNode,
  type FrameHeader,
  FrameKind,
  type IndexNode,
} from '../format/mod.ts';
import type { NodeKind } from './tree-builder.ts';

/** What the clear header of a node's frame says of its body: a server without the key relies on it. */
export interface NodeLists {
  /** Of a leaf of the index: each chunk that an entry names itself, and the bytes used of it. */
  readonly chunks: readonly ChunkUse[];
  /** The nodes below: children, and in a leaf of the index the roots of contents. */
  readonly nodes: readonly Uint8Array[];
}

/** The most bytes that a header can say are used of one chunk. */
const USED_BYTES_MAX = 0xffffffff;

function nameOf(id: Uint8Array): ByteString {
  return bufferOf(id).toString('latin1');
}

/** What the frame header of a node must list, from the node's own bytes. Throws 'damaged' where they are no node. */
export function listsOf(kind: NodeKind, plain: Uint8Array): NodeLists {
  if (kind === FrameKind.contentNode) {
    const node = decodeContentNode(plain);
    return { chunks: [], nodes: 'children' in node ? distinct(node.children.map((child) => child.id)) : [] };
  }
  return listsOfIndexNode(decodeIndexNode(plain));
}

function listsOfIndexNode(node: IndexNode): NodeLists {
  if ('children' in node) return { chunks: [], nodes: distinct(node.children.map((child) => child.id)) };
  const chunks = new Map<ByteString, { id: Uint8Array; bytes: number }>();
  const nodes: Uint8Array[] = [];
  for (const { value } of node.items) {
    const { content } = decodeEntry(value);
    if (content === undefined) continue;
    if ('root' in content) {
      nodes.push(content.root);
      continue;
    }
    for (const piece of content.pieces) {
      if (piece.chunk === undefined) continue;
      const use = chunks.get(nameOf(piece.chunk));
      if (use === undefined) chunks.set(nameOf(piece.chunk), { id: piece.chunk, bytes: piece.length });
      else use.bytes += piece.length;
    }
  }
  return { chunks: [...chunks.values()], nodes: distinct(nodes) };
}

function distinct(ids: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(ids.map((id) => [nameOf(id), id])).values()];
}

/** Throws 'damaged' unless the header of a node's frame lists exactly what is in the node. */
export function checkLists(
  header: Pick<FrameHeader, 'id' | 'chunks' | 'nodes'>,
  { chunks, nodes }: NodeLists,
): void {
  const same =
    header.chunks.length === chunks.length &&
    header.nodes.length === nodes.length &&
    nodes.every((id, i) => equalBytes(id, header.nodes[i]!)) &&
    chunks.every(
      ({ id, bytes }, i) =>
        equalBytes(id, header.chunks[i]!.id) && Math.min(bytes, USED_BYTES_MAX) === header.chunks[i]!.bytes,
    );
  if (!same)
    throw new EverfullError(
      'damaged',
      `Could not accept node ${hexOf(header.id).slice(0, 16)}: its frame lists other chunks or nodes than are in it`,
    );
}
