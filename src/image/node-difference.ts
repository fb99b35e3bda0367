import { type ByteString, bufferOf } from '../base/mod.ts';
import { type ContentNode, FrameKind, type IndexNode } from '../format/mod.ts';
import type { NodeKind, TreeRoot } from './tree-builder.ts';
import { type NodeSource, readContentNode, readIndexNode } from './tree-reader.ts';

/** A node that one of two trees has, and the other has not. */
export interface NodeDifference {
  readonly side: 'before' | 'after';
  readonly id: Uint8Array;
  readonly node: IndexNode | ContentNode;
}

/**
 * The nodes that only one of two trees of a kind has, level by level from the higher root, each once.
 * Never opens a node that both have at the same level, nor what is below it. Memory: one level of what differs.
 */
export async function* differingNodes(
  source: NodeSource,
  kind: NodeKind,
  before: TreeRoot | undefined,
  after: TreeRoot | undefined,
): AsyncGenerator<NodeDifference> {
  const read = kind === FrameKind.indexNode ? readIndexNode : readContentNode;
  const sides = { before: levelOf(before), after: levelOf(after) };
  for (let level = Math.max(before?.level ?? 0, after?.level ?? 0); level >= 0; level--) {
    for (const name of sides.before.keys()) {
      if (sides.before.get(name)!.level === level && sides.after.has(name)) {
        sides.before.delete(name);
        sides.after.delete(name);
      }
    }
    for (const side of ['before', 'after'] as const) {
      for (const [name, ref] of sides[side]) {
        if (ref.level !== level) continue;
        sides[side].delete(name);
        const node: IndexNode | ContentNode = await read(source, ref);
        yield { side, id: ref.root, node };
        if (!('children' in node)) continue;
        for (const child of node.children)
          sides[side].set(nameOf(child.id), {
            root: child.id,
            level: level - 1,
            items: child.items,
            length: child.length,
          });
      }
    }
  }
}

function levelOf(root: TreeRoot | undefined): Map<ByteString, TreeRoot> {
  return new Map(root === undefined ? [] : [[nameOf(root.root), root]]);
}

function nameOf(id: Uint8Array): ByteString {
  return bufferOf(id).toString('latin1');
}
