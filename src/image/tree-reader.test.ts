import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Content, contentLength, decodeIndexNode, type Piece } from '../format/mod.ts';
import { compareIndexes, type KeyRange, leavesInRange, lookUp, piecesInRange, type TreeRoot } from './mod.ts';
import { chunkId, encoded, folderEntry, MemoryNodes } from './testing/memory-nodes.ts';

const COUNT = 8000;
/** Keys share prefixes, hold NULs and high bytes, and some begin others. */
const key = (i: number) =>
  `d${i >> 9}\0\0${i % 3 === 0 ? '\xff' : 'n'}${String(i).padStart(5, '0')}${i % 5 === 0 ? '\0' : ''}`;
const keyNearAny = fc
  .tuple(fc.nat(COUNT), fc.constantFrom('', '\0', '\xff', '!'))
  .map(([i, tail]) => key(i) + tail);

function randomPieces(): fc.Arbitrary<Piece[]> {
  const piece = fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.nat(40), fc.nat(1000), fc.nat(4));
  return fc
    .array(piece, { minLength: 200, maxLength: 300 })
    .map((pieces) =>
      pieces.map(([length, chunk, offset, kind]) =>
        kind === 0 ? { length, chunk: undefined, offset: 0 } : { length, chunk: chunkId(chunk), offset },
      ),
    );
}

describe('tree reader', () => {
  const nodes = new MemoryNodes();
  const map = new Map<string, Uint8Array>();
  let keys: string[];
  let root: TreeRoot;

  before(() => {
    for (let i = 0; i < COUNT; i++) map.set(key(i), encoded(folderEntry({ mtimeSeconds: i })));
    keys = [...map.keys()].sort();
    root = nodes.buildIndex(keys.map((key) => [key, map.get(key)!]));
  });

  async function itemsInRange(range: KeyRange): Promise<string[]> {
    const found: string[] = [];
    for await (const items of leavesInRange(nodes.source, root, range)) {
      for (const { key, value } of items) {
        assert.deepEqual(value, map.get(key));
        found.push(key);
      }
    }
    return found;
  }

  it('looks up what a map holds, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(keyNearAny, fc.string({ unit: 'binary-ascii', maxLength: 4 })),
        async (key) => {
          const item = await lookUp(nodes.source, root, key);
          assert.deepEqual(item?.value, map.get(key));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('reads a node a level to look up a key', async () => {
    nodes.reads = 0;
    await lookUp(nodes.source, root, keys[4321]!);
    assert.equal(nodes.reads, root.level + 1);
  });

  it('gives the items of a range as a sorted array does', async () => {
    await fc.assert(
      fc.asyncProperty(keyNearAny, fc.option(keyNearAny, { nil: undefined }), async (from, to) => {
        const expected = keys.filter((key) => key >= from && (to === undefined || key < to));
        assert.deepEqual(await itemsInRange({ from, to }), expected);
      }),
      { numRuns: 40 },
    );
    assert.deepEqual(await itemsInRange({}), keys);
  });

  it('gives a whole range in order from a slow source too', async () => {
    const slow: typeof nodes.source = async (kind, id) => {
      await new Promise((resolve) => setTimeout(resolve, id[0]! % 3));
      return nodes.source(kind, id);
    };
    const found: string[] = [];
    for await (const items of leavesInRange(slow, root)) found.push(...items.map(({ key }) => key));
    assert.deepEqual(found, keys);
  });

  it('rejects when a node of a range cannot be read, once what is before it was given', async () => {
    const wanted = keys[6000]!;
    const broken: typeof nodes.source = async (kind, id) => {
      const plain = await nodes.source(kind, id);
      const node = decodeIndexNode(plain);
      if ('items' in node && node.items.some(({ key }) => key === wanted)) throw new Error('lost');
      return plain;
    };
    const found: string[] = [];
    await assert.rejects(async () => {
      for await (const items of leavesInRange(broken, root)) found.push(...items.map(({ key }) => key));
    }, /lost/);
    assert.ok(found.length > 5000 && found.length <= 6000);
    assert.deepEqual(found, keys.slice(0, found.length));
  });

  it('refuses a node that is not what the node above says', async () => {
    for (const wrong of [{ items: root.items + 1 }, { level: root.level + 1 }]) {
      await assert.rejects(lookUp(nodes.source, { ...root, ...wrong }, 'x'), { code: 'damaged' });
    }
    const content = nodes.buildContent([{ length: 5, chunk: undefined, offset: 0 }]);
    const read = async (wrong: Partial<TreeRoot>) => {
      for await (const _ of piecesInRange(nodes.source, { ...content, ...wrong }));
    };
    await read({});
    for (const wrong of [{ length: 6 }, { items: 2 }, { level: 1 }])
      await assert.rejects(read(wrong), { code: 'damaged' });
  });

  it('compares two indexes as two maps compare', async () => {
    const edit = fc.tuple(fc.nat(COUNT - 1), fc.constantFrom('change', 'insert', 'delete', 'rename'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { maxLength: 30 }),
        fc.option(keyNearAny),
        fc.option(keyNearAny),
        async (edits, low, high) => {
          const other = new Map(map);
          for (const [i, kind] of edits) {
            if (kind !== 'insert') other.delete(key(i));
            if (kind === 'change') other.set(key(i), encoded(folderEntry({ mtimeSeconds: -i - 1 })));
            if (kind === 'insert' || kind === 'rename')
              other.set(`${key(i)}.`, encoded(folderEntry({ mtimeSeconds: i })));
          }
          const otherRoot = nodes.buildIndex([...other].sort(([a], [b]) => (a < b ? -1 : 1)));
          const range = { from: low ?? '', to: high ?? undefined };
          const expected = [...new Set([...map.keys(), ...other.keys()])]
            .filter((key) => key >= range.from && (range.to === undefined || key < range.to))
            .filter((key) => !sameBytes(map.get(key), other.get(key)))
            .sort()
            .map((key) => [key, map.get(key), other.get(key)]);
          const found = [];
          for await (const { key, before, after } of compareIndexes(nodes.source, root, otherRoot, range))
            found.push([key, before?.value, after?.value]);
          assert.deepEqual(found, expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('compares trees of different heights, and with the empty one', async () => {
    for (const count of [0, 1, 40, 700]) {
      const small = nodes.buildIndex(keys.slice(0, count).map((key) => [key, map.get(key)!]));
      for (const [a, b, side] of [
        [small, root, 'before'],
        [root, small, 'after'],
      ] as const) {
        const found: string[] = [];
        for await (const change of compareIndexes(nodes.source, a, b)) {
          assert.equal(change[side], undefined);
          found.push(change.key);
        }
        assert.deepEqual(found, keys.slice(count));
      }
    }
  });

  it('skips what two indexes share', async () => {
    const other = nodes.buildIndex(
      keys.map((key, i) => [key, i === 5000 ? encoded(folderEntry({ uid: 9 })) : map.get(key)!]),
    );
    nodes.reads = 0;
    for await (const { key } of compareIndexes(nodes.source, root, other)) assert.equal(key, keys[5000]);
    assert.ok(nodes.reads <= 2 * (root.level + 1), `${nodes.reads} nodes read`);
  });

  it('gives the pieces of any byte range, trimmed, as a plain array does', async () => {
    await fc.assert(
      fc.asyncProperty(
        randomPieces(),
        fc.boolean(),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(20_000)), { maxLength: 10 }),
        async (pieces, inline, ranges) => {
          const content: Content = inline ? { pieces } : nodes.buildContent(pieces);
          const total = contentLength({ pieces });
          assert.equal(contentLength(content), total);
          for (const [place, length] of [[0, total], ...ranges] as const) {
            const offset = Math.floor(place * total);
            const found = [];
            for await (const placed of piecesInRange(nodes.source, content, offset, length))
              found.push(placed);
            assert.deepEqual(found, plainRange(pieces, offset, Math.min(offset + length, total)));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('reads a node a level of a long content, wherever the range is', async () => {
    const content = nodes.buildContent(
      Array.from({ length: 60_000 }, (_, i) => ({ length: 4096, chunk: chunkId(i), offset: 0 })),
    );
    nodes.reads = 0;
    const found = [];
    for await (const { position } of piecesInRange(nodes.source, content, 4096 * 31_234 + 1, 100))
      found.push(position);
    assert.deepEqual(found, [4096 * 31_234 + 1]);
    assert.equal(nodes.reads, content.level + 1);
  });
});

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}

function plainRange(pieces: readonly Piece[], from: number, to: number) {
  let start = 0;
  const placed = [];
  for (const { length, chunk, offset } of pieces) {
    const low = Math.max(start, from);
    const high = Math.min(start + length, to);
    if (low < high)
      placed.push({
        position: low,
        piece: { length: high - low, chunk, offset: chunk === undefined ? 0 : offset + low - start },
      });
    start += length;
  }
  return placed;
}
