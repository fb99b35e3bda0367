import { type Content, decodeEntry, FrameKind, type IndexItem, type Piece } from '../../format/mod.ts';
import { compareIndexes, differingNodes, type NodeSource, type TreeRoot } from '../../image/mod.ts';
import { IdTable } from '../checking/mod.ts';
import { walkNodes } from './node-parts.ts';

/**
 * What of an image its base has, too. Found by comparison, which opens only what differs. Memory: about
 * 60 bytes for each node and chunk named in what differs.
 */
export class BaseFrames {
  readonly #source: NodeSource;
  readonly #base: TreeRoot;
  /** Nodes of the image that the base has not, or not at the same place. */
  readonly #fresh = new IdTable();
  /** Chunks that are named by nodes of the base that the image has not. */
  readonly #near = new IdTable();
  #all: Promise<IdTable> | undefined;

  private constructor(source: NodeSource, base: TreeRoot) {
    this.#source = source;
    this.#base = base;
  }

  static async of(source: NodeSource, base: TreeRoot, image: TreeRoot): Promise<BaseFrames> {
    const frames = new BaseFrames(source, base);
    for await (const { side, id, node } of differingNodes(source, FrameKind.indexNode, base, image)) {
      if (side === 'after') frames.#fresh.set(id, 1);
      else if ('items' in node)
        for (const item of node.items) frames.#addNear(piecesOf(decodeEntry(item.value).content));
    }
    for await (const { before, after } of compareIndexes(source, base, image))
      await frames.#addContent(rootOf(before), rootOf(after));
    return frames;
  }

  async #addContent(before: TreeRoot | undefined, after: TreeRoot | undefined): Promise<void> {
    if (before === undefined && after === undefined) return;
    const nodes = differingNodes(this.#source, FrameKind.contentNode, before, after);
    for await (const { side, id, node } of nodes) {
      if (side === 'after') this.#fresh.set(id, 1);
      else if ('pieces' in node) this.#addNear(node.pieces);
    }
  }

  #addNear(pieces: readonly Piece[]): void {
    for (const { chunk } of pieces) if (chunk !== undefined) this.#near.set(chunk, 1);
  }

  /** Whether the base has a node that a node of the image names which the base has not. */
  hasNode(id: Uint8Array): boolean {
    return this.#fresh.get(id) === undefined;
  }

  /** Whether the base is known to have a chunk: it does where the chunk stayed in its place. */
  hasChunkNear(id: Uint8Array): boolean {
    return this.#near.get(id) !== undefined;
  }

  /** Whether the base has a chunk anywhere: of a file that moved, or was copied. The first call reads all its nodes. */
  async hasChunk(id: Uint8Array): Promise<boolean> {
    this.#all ??= this.#allChunks();
    return (await this.#all).get(id) !== undefined;
  }

  async #allChunks(): Promise<IdTable> {
    const chunks = new IdTable();
    const nodes = new IdTable();
    const walk = walkNodes(this.#source, { kind: FrameKind.indexNode, ...this.#base }, ({ root }) => {
      const isNew = nodes.get(root) === undefined;
      if (isNew) nodes.set(root, 1);
      return isNew;
    });
    for await (const parts of walk) for (const chunk of parts.chunks) chunks.set(chunk, 1);
    return chunks;
  }
}

function rootOf(item: IndexItem | undefined): TreeRoot | undefined {
  const content = item && decodeEntry(item.value).content;
  return content !== undefined && 'root' in content ? content : undefined;
}

function piecesOf(content: Content | undefined): readonly Piece[] {
  return content === undefined || 'root' in content ? [] : content.pieces;
}
