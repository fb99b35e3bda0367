import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Content, type Entry, FrameKind, type Piece, pathKeyOf } from '../format/mod.ts';
import { differingNodes, ImageReader, readAhead, type TreeRoot } from './mod.ts';
import { checkLists } from './node-lists.ts';
import { chunkId, encoded, folderEntry, MemoryNodes } from './testing/memory-nodes.ts';

const paths = [
  '/',
  '/bin',
  '/etc',
  '/etc/a',
  '/etc/b',
  '/etc/b/deep',
  '/etc/b/deep/x',
  '/etc/b.d',
  '/etc/b.d/y',
  '/etc/c',
  '/etc\xff',
  '/etc\xff/z',
  '/usr',
  '/usr/one',
  '/usr/two',
];

const hex = (id: Uint8Array) => Buffer.from(id).toString('hex');

async function pathsOf(entries: AsyncIterable<{ path: string }>): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of entries) found.push(path);
  return found;
}

describe('ImageReader', () => {
  const nodes = new MemoryNodes();
  const chunks = new Map<string, Buffer>();
  const sources = {
    node: nodes.source,
    chunk: async (id: Uint8Array) => {
      const plain = chunks.get(hex(id));
      if (plain === undefined) throw new Error('lost chunk');
      return plain;
    },
  };
  let reader: ImageReader;

  function imageOf(entries: Iterable<readonly [string, Entry]>): TreeRoot {
    const items = [...entries].map(([path, entry]) => [pathKeyOf(path), encoded(entry)] as const);
    return nodes.buildIndex(items.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  before(() => {
    for (let i = 0; i < 20; i++)
      chunks.set(hex(chunkId(i)), Buffer.alloc(3000, i + 1).fill('abc', i, i + 500));
    reader = new ImageReader(
      sources,
      imageOf(paths.map((path, i) => [path, folderEntry({ mtimeSeconds: i })])),
    );
  });

  it('looks up exactly the paths that there are', async () => {
    for (const [i, path] of paths.entries()) assert.equal((await reader.lookUp(path))?.mtimeSeconds, i);
    for (const path of ['/et', '/etc/', '/etc/b/deep/x/y', '/zzz'])
      assert.equal(await reader.lookUp(path), undefined);
  });

  it('lists what is directly in a folder', async () => {
    assert.deepEqual(await pathsOf(reader.list('/')), ['/bin', '/etc', '/etc\xff', '/usr']);
    assert.deepEqual(await pathsOf(reader.list('/etc')), ['/etc/a', '/etc/b', '/etc/b.d', '/etc/c']);
    assert.deepEqual(await pathsOf(reader.list('/etc/b')), ['/etc/b/deep']);
    assert.deepEqual(await pathsOf(reader.list('/bin')), []);
    assert.deepEqual(await pathsOf(reader.list('/nothing')), []);
  });

  it('walks a subtree in key order, its top first', async () => {
    const all = await pathsOf(reader.walk('/'));
    assert.deepEqual(all.toSorted(), paths.toSorted());
    const keys = all.map(pathKeyOf);
    assert.deepEqual(keys, keys.toSorted());
    assert.deepEqual(await pathsOf(reader.walk('/etc')), [
      '/etc',
      '/etc/a',
      '/etc/b',
      '/etc/b.d',
      '/etc/c',
      '/etc/b/deep',
      '/etc/b/deep/x',
      '/etc/b.d/y',
    ]);
    assert.deepEqual(await pathsOf(reader.walk('/etc/a')), ['/etc/a']);
    assert.deepEqual(await pathsOf(reader.walk('/nothing')), []);
  });

  it('compares one folder of two images, the folder itself included', async () => {
    const entries = paths.map(
      (path, i) => [path, folderEntry({ mtimeSeconds: path.startsWith('/etc') ? -1 : i })] as const,
    );
    const other = new ImageReader(sources, imageOf(entries.filter(([path]) => path !== '/etc/b/deep/x')));
    assert.deepEqual(
      (await pathsOf(reader.compare(other))).sort(),
      paths.filter((path) => path.startsWith('/etc')).sort(),
    );
    assert.deepEqual(await pathsOf(reader.compare(other, '/etc/b')), [
      '/etc/b',
      '/etc/b/deep',
      '/etc/b/deep/x',
    ]);
    for await (const { path, before, after } of reader.compare(other, '/etc/b/deep/x'))
      assert.deepEqual([path, before?.mtimeSeconds, after], ['/etc/b/deep/x', 6, undefined]);
  });

  it('reads any range of a file as a plain buffer has it', async () => {
    const piece = fc.tuple(fc.integer({ min: 1, max: 2000 }), fc.nat(19), fc.nat(1000), fc.nat(3));
    const range = fc.tuple(
      fc.nat(30_000),
      fc.option(fc.nat(30_000), { nil: undefined }),
      fc.integer({ min: 1, max: 6 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 25 }),
        fc.boolean(),
        range,
        async (drawn, inline, [offset, length, chunksAhead]) => {
          const pieces: Piece[] = drawn.map(([length, chunk, offset, kind]) =>
            kind === 0 ? { length, chunk: undefined, offset: 0 } : { length, chunk: chunkId(chunk), offset },
          );
          const content: Content = inline || pieces.length === 0 ? { pieces } : nodes.buildContent(pieces);
          const whole = Buffer.concat(
            pieces.map((p) =>
              p.chunk === undefined
                ? Buffer.alloc(p.length)
                : chunks.get(hex(p.chunk))!.subarray(p.offset, p.offset + p.length),
            ),
          );
          const blocks = [];
          for await (const block of reader.readRange(content, offset, length, { chunksAhead })) {
            assert.ok(block.length > 0);
            blocks.push(block);
          }
          assert.deepEqual(
            Buffer.concat(blocks),
            whole.subarray(offset, length === undefined ? undefined : offset + length),
          );
        },
      ),
    );
  });

  it('gives a hole of any length in bounded blocks', async () => {
    const content = { pieces: [{ length: 2 ** 40, chunk: undefined, offset: 0 }] };
    let read = 0;
    for await (const block of reader.readRange(content)) {
      assert.ok(block.length <= 1024 * 1024);
      if (++read === 10) break;
    }
    let length = 0;
    for await (const block of reader.readRange(content, 2 ** 40 - 300_001)) length += block.length;
    assert.equal(length, 300_001);
  });

  it('fetches no more chunks ahead than it was told, and waits for them when it is left', async () => {
    let running = 0;
    let most = 0;
    const slow = new ImageReader(
      {
        ...sources,
        chunk: async (id) => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 2));
          running--;
          return sources.chunk(id);
        },
      },
      nodes.buildIndex([]),
    );
    const pieces = Array.from({ length: 20 }, (_, i) => ({ length: 10, chunk: chunkId(i), offset: 0 }));
    let blocks = 0;
    for await (const _ of slow.readRange({ pieces }, 0, 200, { chunksAhead: 3 })) if (++blocks === 12) break;
    assert.equal(most, 3);
    assert.equal(running, 0);
  });

  it('refuses a slice that ends beyond its chunk', async () => {
    const pieces = [{ length: 10, chunk: chunkId(1), offset: 2991 }];
    await assert.rejects(
      async () => {
        for await (const _ of reader.readRange({ pieces }));
      },
      { code: 'damaged', message: /3001 of chunk/ },
    );
  });

  it('rejects at the piece whose chunk is lost, after all before it', async () => {
    const pieces = [chunkId(1), chunkId(2), chunkId('lost'), chunkId(3)].map((chunk) => ({
      length: 10,
      chunk,
      offset: 0,
    }));
    let blocks = 0;
    await assert.rejects(async () => {
      for await (const _ of reader.readRange({ pieces })) blocks++;
    }, /lost chunk/);
    assert.equal(blocks, 2);
  });
});

describe('differingNodes()', () => {
  it('gives the nodes of one tree that the other has not, of any height', async () => {
    const nodes = new MemoryNodes();
    const pieces = Array.from({ length: 30_000 }, (_, i) => ({
      length: 1 + i,
      chunk: chunkId(i),
      offset: 0,
    }));
    const idsOf = (build: () => TreeRoot) => {
      nodes.nodes.clear();
      const root = build();
      return { root, ids: new Set(nodes.nodes.keys()), stored: new Map(nodes.nodes) };
    };
    const a = idsOf(() => nodes.buildContent(pieces));
    const b = idsOf(() => nodes.buildContent([...pieces.slice(0, 9000), ...pieces.slice(9002)]));
    const c = idsOf(() => nodes.buildContent(pieces.slice(0, 300)));
    for (const { stored } of [a, b, c]) for (const [id, node] of stored) nodes.nodes.set(id, node);
    for (const [before, after] of [
      [a, b],
      [a, c],
      [c, a],
      [a, a],
    ] as const) {
      const found = { before: new Set<string>(), after: new Set<string>() };
      for await (const { side, id } of differingNodes(
        nodes.source,
        FrameKind.contentNode,
        before.root,
        after.root,
      ))
        found[side].add(hex(id));
      assert.deepEqual(found.before, onlyIn(before.ids, after.ids));
      assert.deepEqual(found.after, onlyIn(after.ids, before.ids));
    }
  });
});

describe('checkLists()', () => {
  const id = chunkId('node');
  const lists = {
    chunks: [
      { id: chunkId(1), bytes: 5 },
      { id: chunkId(2), bytes: 2 ** 33 },
    ],
    nodes: [chunkId(3)],
  };

  it('accepts what the node holds, uses above 32 bits at their limit', () => {
    checkLists(
      { id, nodes: lists.nodes, chunks: [lists.chunks[0]!, { id: chunkId(2), bytes: 0xffffffff }] },
      lists,
    );
  });

  it('refuses a header with anything else', () => {
    const right = [lists.chunks[0]!, { id: chunkId(2), bytes: 0xffffffff }];
    for (const header of [
      { id, nodes: [], chunks: right },
      { id, nodes: [chunkId(4)], chunks: right },
      { id, nodes: lists.nodes, chunks: [right[0]!] },
      { id, nodes: lists.nodes, chunks: [{ id: chunkId(1), bytes: 6 }, right[1]!] },
      { id, nodes: lists.nodes, chunks: [right[1]!, right[0]!] },
    ])
      assert.throws(() => checkLists(header, lists), {
        code: 'damaged',
        message: /lists other chunks or nodes/,
      });
  });
});

describe('readAhead()', () => {
  it('keeps the order of the items', async () => {
    const results: number[] = [];
    const work = (i: number) => new Promise<number>((resolve) => setTimeout(() => resolve(i), 5 - i));
    for await (const result of readAhead([0, 1, 2, 3, 4, 5], 4, work)) results.push(result);
    assert.deepEqual(results, [0, 1, 2, 3, 4, 5]);
  });
});

function onlyIn(a: Set<string>, b: Set<string>): Set<string> {
  return new Set([...a].filter((id) => !b.has(id)));
}
