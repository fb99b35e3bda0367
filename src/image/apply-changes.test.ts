import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameKind, pathKeyOf } from '../format/mod.ts';
import { applyChanges, type EntryToSet } from './apply-changes.ts';
import { chunkId, encoded, fileEntry, MemoryNodes } from './testing/memory-nodes.ts';
import { TreeBuilder } from './tree-builder.ts';

const SEED = 7;

function entryOf(name: string) {
  const content = { pieces: [{ length: 100 + name.length, chunk: chunkId(name), offset: 0 }] };
  return { value: encoded(fileEntry(content, name)), content };
}

function keyOf(number: number): string {
  return pathKeyOf(`/folder ${number % 7}/file ${String(number).padStart(5, '0')}`);
}

async function* inOrder(changes: ReadonlyMap<string, string | undefined>): AsyncGenerator<EntryToSet> {
  for (const [key, name] of [...changes].sort(([a], [b]) => (a < b ? -1 : 1)))
    yield name === undefined ? { key, value: undefined } : { key, ...entryOf(name) };
}

async function changed(
  nodes: MemoryNodes,
  before: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, string | undefined>,
  takesOver: boolean,
) {
  const root = nodes.buildIndex(rowsOf(before), SEED);
  nodes.reads = 0;
  const builder = new TreeBuilder(FrameKind.indexNode, SEED, nodes.sink);
  await applyChanges(builder, nodes.source, root, inOrder(changes), { takesOver });
  return builder.finish();
}

function rowsOf(entries: ReadonlyMap<string, string>): [string, Uint8Array][] {
  return [...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, name]): [string, Uint8Array] => [key, entryOf(name).value]);
}

function afterAll(before: ReadonlyMap<string, string>, changes: ReadonlyMap<string, string | undefined>) {
  const after = new Map(before);
  for (const [key, name] of changes) {
    if (name === undefined) after.delete(key);
    else after.set(key, name);
  }
  return after;
}

test('a changed tree is what is built from all its entries', async () => {
  const numbers = fc.uniqueArray(fc.nat(3000), { maxLength: 2500 });
  const changeOf = fc.tuple(fc.nat(3100), fc.constantFrom(undefined, 'new', 'newer'));
  await fc.assert(
    fc.asyncProperty(
      numbers,
      fc.array(changeOf, { maxLength: 30 }),
      fc.boolean(),
      async (there, changing, takesOver) => {
        const before = new Map(there.map((number) => [keyOf(number), `${number}`]));
        const changes = new Map(
          changing.map(([number, name]) => [keyOf(number), name && `${name} ${number}`]),
        );
        const nodes = new MemoryNodes();
        const root = await changed(nodes, before, changes, takesOver);
        assert.deepEqual(root, nodes.buildIndex(rowsOf(afterAll(before, changes)), SEED));
      },
    ),
    { numRuns: 40 },
  );
});

test('a change to a large tree opens the nodes on its way alone', async () => {
  const before = new Map(Array.from({ length: 20_000 }, (_, i) => [keyOf(i), `${i}`]));
  const nodes = new MemoryNodes();
  await changed(nodes, before, new Map([[keyOf(12_345), 'other']]), true);
  const some = nodes.reads;
  await changed(nodes, before, new Map([[keyOf(12_345), 'other']]), false);
  assert.ok(some * 5 < nodes.reads, `${some} of ${nodes.reads} nodes`);
});

test('all entries of a tree can go, and an empty tree can be filled', async () => {
  const full = new Map(Array.from({ length: 500 }, (_, i) => [keyOf(i), `${i}`]));
  const nodes = new MemoryNodes();
  const none = new Map([...full.keys()].map((key) => [key, undefined]));
  assert.deepEqual(await changed(nodes, full, none, true), nodes.buildIndex([], SEED));
  assert.deepEqual(await changed(nodes, new Map(), full, true), nodes.buildIndex(rowsOf(full), SEED));
});
