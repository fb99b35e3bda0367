import type { ByteString } from '../base/mod.ts';
import { type ChildRef, type Content, decodeEntry } from '../format/mod.ts';
import type { TreeBuilder, TreeRoot } from './tree-builder.ts';
import { type NodeSource, readIndexNode } from './tree-reader.ts';

/** What a key is to have. */
export interface EntryToSet {
  readonly key: ByteString;
  /** The encoded entry; undefined where the key is to have none. */
  readonly value: Uint8Array | undefined;
  /** What the entry refers to, where it is a file. */
  readonly content?: Content | undefined;
}

export interface ApplyOptions {
  /** Whether leaves without a change may be taken over unopened. */
  readonly takesOver: boolean;
}

/**
 * Gives a builder all entries of the index `root`, changed as `changes` (in key order) say: what comes of it is
 * what comes of building from all entries. Leaves without a change pass as they are, so it costs O(changes).
 *
 * Rejects with what `source` and `changes` reject with.
 */
export async function applyChanges(
  builder: TreeBuilder,
  source: NodeSource,
  root: TreeRoot,
  changes: AsyncIterable<EntryToSet>,
  { takesOver }: ApplyOptions,
): Promise<void> {
  const ahead = changes[Symbol.asyncIterator]();
  let change = await ahead.next();
  const set = async () => {
    const { key, value, content } = change.value as EntryToSet;
    if (value !== undefined) builder.addEntry(key, value, content);
    change = await ahead.next();
  };
  try {
    for await (const { leaf, end } of leafRefs(source, root)) {
      const isChanged = !change.done && (end === undefined || change.value.key < end);
      // The last leaf ends with its tree, wherever it would end otherwise.
      if (!isChanged && takesOver && end !== undefined && builder.atLeafStart) {
        builder.addLeaf(leaf);
        continue;
      }
      for (const { key, value } of await itemsOf(source, leaf)) {
        while (!change.done && change.value.key < key) await set();
        if (!change.done && change.value.key === key) await set();
        else builder.addEntry(key, value, decodeEntry(value).content);
      }
      while (!change.done && end !== undefined && change.value.key < end) await set();
    }
    while (!change.done) await set();
  } finally {
    await ahead.return?.();
  }
}

/** The leaves of an index in order, unopened; `end` is the first key of the next one. */
async function* leafRefs(
  source: NodeSource,
  root: TreeRoot,
): AsyncGenerator<{ leaf: ChildRef; end: ByteString | undefined }> {
  let last: ChildRef | undefined;
  for await (const leaf of leavesBelow(source, root, '')) {
    if (last !== undefined) yield { leaf: last, end: leaf.key };
    last = leaf;
  }
  if (last !== undefined) yield { leaf: last, end: undefined };
}

async function* leavesBelow(
  source: NodeSource,
  { root, level, items, length }: TreeRoot,
  key: ByteString,
): AsyncGenerator<ChildRef> {
  if (level === 0) {
    yield { key, id: root, items, length };
    return;
  }
  const node = await readIndexNode(source, { root, level, items, length });
  if (!('children' in node)) return;
  for (const child of node.children) {
    if (level === 1) yield child;
    else
      yield* leavesBelow(
        source,
        { root: child.id, level: level - 1, items: child.items, length: child.length },
        child.key,
      );
  }
}

async function itemsOf(source: NodeSource, { id, items, length }: ChildRef) {
  const node = await readIndexNode(source, { root: id, level: 0, items, length });
  return 'items' in node ? node.items : [];
}
