import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeEntry,
  decodeIndexNode,
  FrameKind,
  NODE_BYTES_HIGH,
  NODE_BYTES_LOW,
  type Piece,
} from '../format/mod.ts';
import { listsOf, readIndexNode, TreeBuilder } from './mod.ts';
import { chunkId, encoded, fileEntry, folderEntry, MemoryNodes } from './testing/memory-nodes.ts';

/** Enough entries for three levels: about 45 a leaf and 60 leaves a node above. */
const MANY = 15_000;

function entryOf(i: number): Buffer {
  return encoded(
    fileEntry(
      { pieces: [{ length: 100 + (i % 50), chunk: chunkId(i >> 6), offset: (i & 63) * 200 }] },
      `${i}`,
    ),
  );
}

function manyEntries(count = MANY): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>([['', encoded(folderEntry())]]);
  for (let i = 0; i < count; i++)
    entries.set(`d${String(i >> 7).padStart(4, '0')}\0\0file ${String(i).padStart(6, '0')}`, entryOf(i));
  return entries;
}

const sorted = (entries: Map<string, Uint8Array>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
const hex = (id: Uint8Array) => Buffer.from(id).toString('hex');

describe('TreeBuilder', () => {
  it('makes one empty leaf of no items', async () => {
    const nodes = new MemoryNodes();
    const root = nodes.buildIndex([]);
    assert.deepEqual({ ...root, root: undefined }, { root: undefined, level: 0, items: 0, length: 0 });
    assert.deepEqual(await readIndexNode(nodes.source, root), { level: 0, items: [] });
  });

  it('counts the items and bytes below every inner node', async () => {
    const nodes = new MemoryNodes();
    const entries = manyEntries();
    const root = nodes.buildIndex(entries);
    assert.equal(root.items, entries.size);
    assert.ok(root.level >= 2);
    let length = 0;
    for (let i = 0; i < MANY; i++) length += 100 + (i % 50);
    assert.equal(root.length, length);
    const node = await readIndexNode(nodes.source, root);
    assert.ok('children' in node);
    assert.equal(
      node.children.reduce((sum, child) => sum + child.length, 0),
      length,
    );
  });

  it('keeps nodes within their bounds, 8 KiB on average', () => {
    const nodes = new MemoryNodes();
    nodes.buildIndex(manyEntries());
    const leaves = [...nodes.nodes.values()].filter(({ plain }) => plain[0] === 0);
    const sizes = leaves.map(({ plain }) => plain.length).slice(0, -1);
    assert.ok(sizes.every((size) => size >= NODE_BYTES_LOW && size < NODE_BYTES_HIGH + 1024));
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    assert.ok(mean > 4096 && mean < 16_384, `${mean}`);
  });

  it('gives equal nodes for equal runs: any edits cost a few nodes each', () => {
    const base = manyEntries();
    const before = new MemoryNodes();
    before.buildIndex(sorted(base));
    const keys = [...base.keys()];
    const edit = fc.record({
      at: fc.nat(keys.length - 1),
      kind: fc.constantFrom('change', 'insert', 'delete'),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const changed = new Map(base);
        for (const { at, kind } of edits) {
          const key = keys[at]!;
          if (kind === 'delete') changed.delete(key);
          else changed.set(kind === 'change' ? key : `${key}+`, entryOf(MANY + at));
        }
        const after = new MemoryNodes();
        after.buildIndex(sorted(changed));
        const fresh = [...after.nodes.keys()].filter((id) => !before.nodes.has(id)).length;
        // A change costs its leaf, a neighbour where a boundary came or went, and the path above.
        assert.ok(fresh <= edits.length * 6 + 3, `${fresh} nodes for ${edits.length} edits`);
      }),
      { numRuns: 8 },
    );
  });

  it('places the boundaries of an index by its keys alone, whatever the entries are', () => {
    const nodes = new MemoryNodes();
    const firstKeys = (mode: number) =>
      firstKeysOfLeaves(
        nodes,
        [...manyEntries(1500).keys()].map((key) => [key, encoded(folderEntry({ mode }))]),
      );
    assert.deepEqual(firstKeys(0o700), firstKeys(0o755));
  });

  it('places them elsewhere with another seed', () => {
    const nodes = new MemoryNodes();
    const entries = manyEntries(1500);
    assert.notDeepEqual(firstKeysOfLeaves(nodes, entries, 1), firstKeysOfLeaves(nodes, entries, 2));
  });

  it('gives the same root when unchanged leaves are taken over as when all is built from scratch', async () => {
    const nodes = new MemoryNodes();
    const entries = sorted(manyEntries());
    const root = nodes.buildIndex(entries);
    const leaves = await leavesOf(nodes, root.root);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 8, maxLength: 32 }), async (pattern) => {
        const builder = new TreeBuilder(FrameKind.indexNode, 7, nodes.sink);
        leaves.forEach((leaf, i) => {
          // The last leaf ended with its tree, not at a boundary.
          if (pattern[i % pattern.length] && i < leaves.length - 1 && builder.atLeafStart)
            builder.addLeaf(leaf);
          else for (const { key, value } of leaf.entries) builder.addEntry(key, value, contentOf(value));
        });
        assert.equal(hex(builder.finish().root), hex(root.root));
      }),
      { numRuns: 6 },
    );
  });

  it('gives a root to a tree of taken-over leaves alone, and finishes at the end of a leaf', async () => {
    const nodes = new MemoryNodes();
    const root = nodes.buildIndex(sorted(manyEntries(400)));
    const leaves = (await leavesOf(nodes, root.root)).slice(0, -1);
    for (let count = 1; count <= leaves.length; count++) {
      const some = leaves.slice(0, count);
      const fromScratch = nodes.buildIndex(
        some.flatMap(({ entries }) => entries.map(({ key, value }) => [key, value] as const)),
      );
      const builder = new TreeBuilder(FrameKind.indexNode, 7, nodes.sink);
      for (const leaf of some) builder.addLeaf(leaf);
      assert.deepEqual(builder.finish(), fromScratch);
    }
  });

  it('refuses to take over a leaf in the middle of one', () => {
    const nodes = new MemoryNodes();
    const builder = new TreeBuilder(FrameKind.indexNode, 7, nodes.sink);
    builder.addEntry('', encoded(folderEntry()), undefined);
    assert.throws(
      () => builder.addLeaf({ key: 'x', id: chunkId(1), items: 1, length: 0 }),
      /start of a leaf/,
    );
  });

  it('lists in every frame header exactly what the node holds', () => {
    const nodes = new MemoryNodes();
    const content = nodes.buildContent(manyPieces(2000));
    const entries = sorted(
      manyEntries(2000)
        .set('z', encoded(fileEntry(content)))
        .set('zz', encoded(fileEntry(content))),
    );
    nodes.buildIndex(entries);
    for (const node of nodes.nodes.values()) {
      const lists = listsOf(node.kind, node.plain);
      assert.deepEqual(
        lists.chunks.map(({ id, bytes }) => [hex(id), bytes]),
        node.chunks.map(({ id, bytes }) => [hex(id), bytes]),
      );
      assert.deepEqual(lists.nodes.map(hex), node.nodes.map(hex));
    }
  });

  it('shares the nodes of a content around an insertion', () => {
    const nodes = new MemoryNodes();
    const pieces = manyPieces(5000);
    nodes.buildContent(pieces);
    const before = new Set(nodes.nodes.keys());
    nodes.buildContent([
      ...pieces.slice(0, 1000),
      { length: 9, chunk: chunkId('new'), offset: 1 },
      ...pieces.slice(1000),
    ]);
    const fresh = [...nodes.nodes.keys()].filter((id) => !before.has(id));
    assert.ok(fresh.length <= 5, `${fresh.length} nodes`);
  });
});

function manyPieces(count: number): Piece[] {
  return Array.from({ length: count }, (_, i) =>
    i % 7 === 3
      ? { length: i + 1, chunk: undefined, offset: 0 }
      : { length: 1000 + i, chunk: chunkId(i), offset: i % 5 },
  );
}

function contentOf(value: Uint8Array) {
  return decodeEntry(value).content;
}

function firstKeysOfLeaves(
  nodes: MemoryNodes,
  entries: Iterable<readonly [string, Uint8Array]>,
  seed?: number,
): string[] {
  nodes.nodes.clear();
  nodes.buildIndex(entries, seed);
  return [...nodes.nodes.values()]
    .map(({ plain }) => decodeIndexNode(plain))
    .flatMap((node) => ('items' in node ? [node.items[0]!.key] : []));
}

async function leavesOf(nodes: MemoryNodes, root: Uint8Array) {
  const leaves: {
    key: string;
    id: Uint8Array;
    items: number;
    length: number;
    entries: readonly { key: string; value: Uint8Array }[];
  }[] = [];
  const visit = (id: Uint8Array, length: number): void => {
    const node = decodeIndexNode(nodes.nodes.get(hex(id))!.plain);
    if ('children' in node) for (const child of node.children) visit(child.id, child.length);
    else leaves.push({ key: node.items[0]!.key, id, items: node.items.length, length, entries: node.items });
  };
  visit(root, 0);
  return leaves;
}
