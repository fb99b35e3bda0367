import type { ByteString } from '../../base/mod.ts';
import {
  type Content,
  type ContentNode,
  decodeContentNode,
  decodeEntry,
  decodeIndexNode,
  FrameKind,
  type Piece,
  pathOfKey,
} from '../../format/mod.ts';
import type { NodeKind, TreeRoot } from '../../image/mod.ts';
import type { Repository } from '../../repository/mod.ts';
import type { CheckedImage } from './chains.ts';
import type { Findings } from './findings.ts';
import type { FrameLosses } from './losses.ts';
import type { TreeCheck } from './trees.ts';

export interface BlameOptions {
  readonly repository: Repository;
  readonly losses: FrameLosses;
  readonly trees: TreeCheck;
  readonly findings: Findings;
  /** Called now and then; throws to end the work. */
  readonly checkpoint: () => void;
}

/** Finds every path of `image` that a lost frame touches. Opens only the nodes that lead to one. */
export async function blame(image: CheckedImage, root: TreeRoot, options: BlameOptions): Promise<void> {
  await new Blame(image, options).index(root, '');
}

class Blame {
  readonly #image: CheckedImage;
  readonly #options: BlameOptions;

  constructor(image: CheckedImage, options: BlameOptions) {
    this.#image = image;
    this.#options = options;
  }

  /** @param key the first key below the node */
  async index(ref: TreeRoot, key: ByteString): Promise<void> {
    const { trees, findings, checkpoint } = this.#options;
    if (!trees.isTouched(ref.root)) return;
    checkpoint();
    const object = this.#objectOf(ref.root);
    if (object !== undefined) {
      // Everything below is lost; only the first of the paths is known.
      findings.touch(object, this.#image.id, pathOfKey(key), ref.items);
      return;
    }
    const node = decodeIndexNode(await this.#plain(FrameKind.indexNode, ref.root));
    if ('children' in node) {
      for (const child of node.children)
        await this.index(
          { root: child.id, level: node.level - 1, items: child.items, length: child.length },
          child.key,
        );
      return;
    }
    for (const item of node.items) {
      const { content } = decodeEntry(item.value);
      if (content === undefined) continue;
      const objects = new Set<string>();
      await this.#content(content, objects);
      for (const object of objects) findings.touch(object, this.#image.id, pathOfKey(item.key));
    }
  }

  async #content(content: Content, objects: Set<string>): Promise<void> {
    if ('root' in content) await this.#contentNode(content.root, objects);
    else this.#pieces(content.pieces, objects);
  }

  async #contentNode(id: Uint8Array, objects: Set<string>): Promise<void> {
    if (!this.#options.trees.isTouched(id)) return;
    const object = this.#objectOf(id);
    if (object !== undefined) {
      objects.add(object);
      return;
    }
    const node: ContentNode = decodeContentNode(await this.#plain(FrameKind.contentNode, id));
    if ('children' in node) for (const child of node.children) await this.#contentNode(child.id, objects);
    else this.#pieces(node.pieces, objects);
  }

  #pieces(pieces: readonly Piece[], objects: Set<string>): void {
    const { losses, repository } = this.#options;
    for (const { chunk, offset, length } of pieces) {
      if (chunk === undefined) continue;
      const object = losses.objectOfSlice(chunk, offset + length, repository.index.findFormer(chunk));
      if (object !== undefined) objects.add(object);
    }
  }

  /** Nodes of doubtful packs were read: only those that could not be are lost. */
  #objectOf(id: Uint8Array): string | undefined {
    return this.#options.losses.objectOf(id, undefined);
  }

  async #plain(kind: NodeKind, id: Uint8Array): Promise<Uint8Array> {
    return (await this.#options.repository.frame(kind, id)).plain;
  }
}
