import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EverfullError, hexOf } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { type Entry, EntryType, sessionBeatRecord } from '../format/mod.ts';
import type { BuiltNode } from '../image/mod.ts';
import { type Image, manifestName, packName, sessionBeatName } from '../repository/mod.ts';
import { type CheckOptions, type CheckReport, check } from './check.ts';
import { type Item, idOf, SmallRepository } from './testing/small-repository.ts';

const block = (name: string | number) => Buffer.alloc(70_000, `block ${name} `);
const manyBlocks = Array.from({ length: 400 }, (_, i) => `piece ${i}`);

function errorsOf({ findings }: CheckReport) {
  return findings
    .filter(({ kind }) => kind === 'error')
    .map(({ object, images }) => ({ object, images: images.map(({ id, paths }) => [id, ...paths]) }));
}

function packOf(small: SmallRepository, id: Uint8Array): string {
  return packName(small.repository.index.find(id)!.pack);
}

function flip(small: SmallRepository, name: string, at: number): void {
  const bytes = Buffer.from(small.store.objects.get(name)!);
  bytes[at < 0 ? bytes.length + at : at]! ^= 0x40;
  small.store.objects.set(name, bytes);
}

/** Flips a byte in the stored frame of a chunk. */
function damageChunk(small: SmallRepository, plain: Buffer | string): string {
  const { pack, offset, length } = small.repository.index.find(
    small.repository.secrets.chunkId(Buffer.from(plain)),
  )!;
  flip(small, packName(pack), offset + length - 1);
  return packName(pack);
}

async function withImages(): Promise<{ small: SmallRepository; images: Image[] }> {
  const small = await SmallRepository.create();
  const items: Record<string, Item> = { '/a/one': 'one', '/a/two': ['two', block(1)], '/b/long': manyBlocks };
  const images = [
    await small.commit(items),
    await small.commit({ ...items, '/a/three': block(2).toString() }),
    await small.commit({ '/x': 'other' }, { dataset: 'other', host: 'other' }),
  ];
  return { small, images };
}

async function checked(
  small: SmallRepository,
  options: CheckOptions = {},
  stateFolder?: string,
): Promise<CheckReport> {
  const context = await small.reopen();
  return check({ ...context, stateFolder }, options);
}

describe('check()', () => {
  it('finds nothing in a whole repository', async () => {
    const { small } = await withImages();
    for (const options of [{}, { readData: true }]) {
      const report = await checked(small, options);
      assert.deepEqual(report.findings, []);
      assert.equal(report.images, 3);
      assert.equal(report.objects, small.store.objects.size);
      assert.equal(report.framesRead, options.readData ? small.repository.index.frames : 0);
    }
  });

  it('finds nothing in an empty repository', async () => {
    const small = await SmallRepository.create();
    assert.deepEqual((await checked(small, { readData: true })).findings, []);
  });

  it('reads each node once, however many images share it', async () => {
    const small = await SmallRepository.create();
    const many = Object.fromEntries(
      Array.from({ length: 2000 }, (_, i) => [`/d${i % 20}/f${i}`, { mtimeSeconds: i }]),
    );
    for (let i = 0; i < 3; i++) await small.commit(many);
    const report = await checked(small);
    assert.deepEqual(report.findings, []);
    assert.equal(report.nodes, small.repository.index.frames);
    assert.equal(small.repository.framesRead.nodes, report.nodes);
  });

  it('names every image and path that a damaged chunk touches', async () => {
    const { small, images } = await withImages();
    const pack = damageChunk(small, block(1));
    assert.deepEqual((await checked(small)).findings, []);
    const report = await checked(small, { readData: true });
    assert.deepEqual(errorsOf(report), [
      {
        object: pack,
        images: [
          [idOf(images[0]!), '/a/two'],
          [idOf(images[1]!), '/a/two'],
        ],
      },
    ]);
    assert.match(report.findings[0]!.error.message, /a frame of "packs\/.*do not match the digest/);
  });

  it('names the file when one of the many chunks of a long content is damaged', async () => {
    const { small, images } = await withImages();
    const pack = damageChunk(small, 'piece 250');
    assert.deepEqual(errorsOf(await checked(small, { readData: true })), [
      {
        object: pack,
        images: [
          [idOf(images[0]!), '/b/long'],
          [idOf(images[1]!), '/b/long'],
        ],
      },
    ]);
  });

  it('names the first path and the number of all that a lost node of the index takes with it', async () => {
    const small = await SmallRepository.create();
    const many = Object.fromEntries(
      Array.from({ length: 2000 }, (_, i) => [`/d/${String(i).padStart(5, '0')}`, { mtimeSeconds: i }]),
    );
    const image = await small.commit(many);
    const leaves = [...small.repository.index.all()].sort((a, b) => a.offset - b.offset);
    flip(small, packName(leaves[3]!.pack), leaves[3]!.offset + leaves[3]!.length - 1);
    const [finding, ...more] = (await checked(small)).findings;
    assert.deepEqual(more, []);
    const [touched] = finding!.images;
    assert.equal(touched!.id, idOf(image));
    assert.equal(touched!.paths.length, 1);
    assert.match(touched!.paths[0]!, /^\/d\/00\d{3}$/);
    assert.ok(touched!.pathCount > 10 && touched!.pathCount < 300);
  });

  it('names what a missing pack touches', async () => {
    const { small, images } = await withImages();
    const pack = packOf(small, small.repository.secrets.chunkId(block(2)));
    small.store.objects.delete(pack);
    for (const options of [{}, { readData: true }]) {
      assert.deepEqual(errorsOf(await checked(small, options)), [
        { object: pack, images: [[idOf(images[1]!), '/a/three']] },
      ]);
    }
  });

  it('names what a missing data key touches', async () => {
    const { small, images } = await withImages();
    const name = `keys/data/${hexOf(images[2]!.header.dataKeyId)}`;
    small.store.objects.delete(name);
    const errors = errorsOf(await checked(small, { readData: true }));
    const found = errors.find(({ object }) => object === name);
    assert.deepEqual(found?.images, [[idOf(images[2]!)]]);
  });

  it('counts many paths and names the first', async () => {
    const small = await SmallRepository.create();
    const names = Array.from({ length: 150 }, (_, i) => `/f${String(i).padStart(3, '0')}`);
    await small.commit(Object.fromEntries(names.map((name) => [name, [block(1)]])));
    damageChunk(small, block(1));
    const { findings } = await checked(small, { readData: true });
    assert.deepEqual(findings[0]!.images[0]!.paths, names.slice(0, 100));
    assert.equal(findings[0]!.images[0]!.pathCount, 150);
  });

  it('finds an entry that uses more of a chunk than there is', async () => {
    const small = await SmallRepository.create();
    await small.commit({ '/real': 'real bytes' });
    const chunk = small.repository.secrets.chunkId(Buffer.from('real bytes'));
    const file: Partial<Entry> = {
      type: EntryType.file,
      fingerprint: digest(Buffer.of()),
      content: { pieces: [{ chunk, offset: 5, length: 6 }] },
    };
    const image = await small.commit({ '/too-long': file });
    const { findings } = await checked(small, { readData: true });
    assert.match(findings[0]!.error.message, /up to byte 11, and it has 10/);
    // The chunk itself is whole: who uses no more than there is has nothing to fear.
    assert.deepEqual(errorsOf({ findings } as CheckReport)[0]!.images, [[idOf(image), '/too-long']]);
  });

  it('finds nodes whose headers list other chunks than are in them', async () => {
    const small = await SmallRepository.create();
    const image = await small.commit({ '/f': 'f' }, { change: (node) => ({ ...node, chunks: [] }) });
    const { findings } = await checked(small);
    assert.match(findings[0]!.error.message, /lists other chunks or nodes/);
    assert.deepEqual(
      findings[0]!.images.map(({ id, paths }) => [id, paths]),
      [[idOf(image), ['/']]],
    );
  });

  it('finds nodes that are not what the node above says', async () => {
    const many = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`/d/${i}`, { mtimeSeconds: i }]));
    const changed =
      (pick: (node: BuiltNode) => boolean, change: (plain: Buffer) => void) => (node: BuiltNode) => {
        if (!pick(node)) return node;
        const plain = Buffer.from(node.plain);
        change(plain);
        return { ...node, plain };
      };
    const isRoot = ({ plain }: BuiltNode) => plain[0] === 1;
    // After level, count and the first, empty key of the root: an id, then the number of items.
    const cases = [
      changed(isRoot, (plain) => plain.writeUInt8(plain[5 + 32]! - 1, 5 + 32)),
      changed(isRoot, (plain) => plain.writeUInt8(2, 0)),
    ];
    for (const change of cases) {
      const small = await SmallRepository.create();
      await small.commit(many, { change });
      const { findings } = await checked(small);
      assert.match(findings[0]!.error.message, /Could not (accept|read) /);
      assert.equal(findings[0]!.images.length, 1);
    }
  });

  it('finds an entry whose chunk no pack has', async () => {
    const small = await SmallRepository.create();
    const file: Partial<Entry> = {
      type: EntryType.file,
      fingerprint: digest(Buffer.of()),
      content: { pieces: [{ chunk: digest(Buffer.of(1)), offset: 0, length: 6 }] },
    };
    const image = await small.commit({ '/lost': file });
    assert.deepEqual(errorsOf(await checked(small)), [
      { object: 'frames that no pack has', images: [[idOf(image), '/lost']] },
    ]);
  });

  it('takes what interrupted sessions leave behind for notes', async () => {
    const { small } = await withImages();
    const dead = await small.openSession('dead');
    small.addTree(dead, { '/never': block(7).toString() });
    await dead.flush();
    const ended = await small.openSession('ended');
    await ended.abort({ keep: true });
    small.store.objects.set('leftover', Buffer.from('x'));
    const segment = [...small.store.objects.keys()].filter((name) => name.startsWith('index/')).at(-1)!;
    small.store.objects.delete(segment);
    const report = await checked(small, { readData: true });
    assert.equal(report.errors, 0);
    assert.deepEqual(
      report.findings.map(({ object }) => object.replace(/[0-9a-f]{32}/, 'ID').replace(/\/..\//, '/')),
      ['leftover', 'packs', 'packs/ID', 'sessions/ID.open'],
    );
  });

  it('finds the lost segment of a pack that is used, and that nothing else is lost', async () => {
    const { small, images } = await withImages();
    const segment = `index/${packOf(small, images[0]!.header.indexRoot).slice(-32)}`;
    small.store.objects.delete(segment);
    const report = await checked(small, { readData: true });
    assert.deepEqual(errorsOf(report), [{ object: segment, images: [] }]);
    assert.match(report.findings[0]!.error.message, /nothing is lost/);
  });

  it('reads the share of the packs that it is told to', async () => {
    const { small } = await withImages();
    const packs = (await checked(small)).packs;
    assert.equal((await checked(small, { subset: { percent: 100 } })).packsRead, packs);
    assert.equal((await checked(small, { subset: { percent: 0.1 } })).packsRead, 1);
    assert.equal((await checked(small, { subset: { percent: 50 } })).packsRead, Math.ceil(packs / 2));
    for (const percent of [0, -1, 101, Number.NaN])
      await assert.rejects(checked(small, { subset: { percent } }), { code: 'usage' });
  });

  it('checks with threads what is large', async () => {
    const small = await SmallRepository.create();
    const noise = Array.from({ length: 12 }, (_, i) => noiseBlock(i));
    const image = await small.commit({ '/noise': noise, '/rest': 'rest' });
    damageChunk(small, noise[9]!);
    const report = await checked(small, { readData: true });
    assert.deepEqual(
      errorsOf(report).map(({ images }) => images),
      [[[idOf(image), '/noise']]],
    );
    assert.equal(report.framesRead, small.repository.index.frames);
  });

  it('stops when it is interrupted', async () => {
    const { small } = await withImages();
    const context = await small.reopen();
    await assert.rejects(check({ ...context, signal: AbortSignal.abort() }), { code: 'interrupted' });
  });

  it('gives the same findings each time, in the same order', async () => {
    const { small } = await withImages();
    for (const text of ['piece 1', 'piece 300', 'one', 'other']) damageChunk(small, text);
    const lines = async () =>
      (await checked(small, { readData: true })).findings.map(({ object, error, images }) =>
        JSON.stringify([object, error.message, images]),
      );
    const first = await lines();
    assert.ok(first.length >= 2);
    assert.deepEqual(await lines(), first);
  });
});

/** Bytes that do not compress. */
function noiseBlock(seed: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(
    Buffer.alloc(3 * 1024 * 1024),
  );
}

describe('check() of chains', () => {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-check-'));
  after(() => rmSync(folder, { recursive: true }));

  function stateFolder(heads: object): string {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'heads.json'), JSON.stringify(heads));
    return folder;
  }

  const headOf = ({ header, id }: Image) => ({
    [hexOf(header.dataset)]: { sequence: header.sequence, image: hexOf(id) },
  });
  const place = ({ header }: Image) => manifestName(header.dataset, header.sequence);
  const endName = ({ header }: Image) => `sessions/${hexOf(header.session)}.end`;

  it('finds nothing when the remembered image is there, also below a newer one', async () => {
    const { small, images } = await withImages();
    for (const heads of [
      {},
      headOf(images[1]!),
      headOf(images[0]!),
      { ...headOf(images[1]!), ...headOf(images[2]!) },
    ]) {
      assert.deepEqual((await checked(small, {}, stateFolder(heads))).findings, []);
    }
  });

  it('takes remembered heads that make no sense for none', async () => {
    const { small } = await withImages();
    for (const heads of [
      [],
      { x: null },
      { ['a'.repeat(32)]: null },
      { ['a'.repeat(32)]: { sequence: 'x', image: 5 } },
    ]) {
      assert.deepEqual((await checked(small, {}, stateFolder(heads))).findings, []);
    }
  });

  it('notices that the newest image, all of it, was taken away', async () => {
    const { small, images } = await withImages();
    const newest = images[1]!;
    small.store.objects.delete(place(newest));
    small.store.objects.delete(endName(newest));
    small.store.objects.delete(endName(newest).replace('.end', '.open'));
    assert.equal((await checked(small)).errors, 0);
    const { findings } = await checked(small, {}, stateFolder(headOf(newest)));
    assert.equal(findings[0]!.object, place(newest));
    assert.equal(findings[0]!.error.code, 'forged');
    assert.match(findings[0]!.error.message, /rolled back/);
    assert.deepEqual(
      findings[0]!.images.map(({ id }) => id),
      [idOf(newest)],
    );
  });

  it('notices that the end of a remembered session was taken away', async () => {
    const { small, images } = await withImages();
    small.store.objects.delete(endName(images[1]!));
    const without = await checked(small);
    assert.deepEqual(
      [without.errors, without.findings.some(({ error }) => /has not ended/.test(error.message))],
      [0, true],
    );
    assert.deepEqual(errorsOf(await checked(small, {}, stateFolder(headOf(images[1]!)))), [
      { object: endName(images[1]!), images: [[idOf(images[1]!)]] },
    ]);
  });

  it('notices that the end of the session of a base was taken away', async () => {
    const { small, images } = await withImages();
    await small.commit({ '/n': 'n' }, { body: { base: images[1]!.id } });
    small.store.objects.delete(endName(images[1]!));
    assert.deepEqual(errorsOf(await checked(small)), [
      { object: endName(images[1]!), images: [[idOf(images[1]!)]] },
    ]);
  });

  it('notices a gap, and who committed what is missing', async () => {
    const { small, images } = await withImages();
    small.store.objects.delete(place(images[0]!));
    const report = await checked(small);
    assert.deepEqual(new Set(report.findings.map(({ object }) => object)), new Set([place(images[0]!)]));
    assert.deepEqual(errorsOf(report)[0]!.images, [[idOf(images[0]!)]]);
    assert.ok(report.findings.some(({ error }) => /goes on to number 2/.test(error.message)));
    assert.ok(report.findings.some(({ error }) => /committed it/.test(error.message)));
  });

  it('notices an older manifest in place of a newer one', async () => {
    const { small, images } = await withImages();
    small.store.objects.set(place(images[1]!), small.store.objects.get(place(images[0]!))!);
    const report = await checked(small);
    assert.ok(errorsOf(report).some(({ object }) => object === place(images[1]!)));
  });
});

describe('check() of every object of a small repository', () => {
  let small: SmallRepository;
  let whole: Map<string, Uint8Array>;
  let baseline: string;

  const printed = ({ findings }: CheckReport) =>
    JSON.stringify(findings.map(({ kind, object, error, images }) => [kind, object, error.message, images]));

  before(async () => {
    small = await SmallRepository.create();
    await small.commit({
      '/a': 'a',
      '/l': manyBlocks.slice(0, 8),
      '/link': { type: EntryType.symlink, target: 'a' },
    });
    await small.commit({ '/a': 'a2', '/l': manyBlocks.slice(0, 9) });
    await small.commit({ '/o': 'o' }, { dataset: 'other', host: 'other' });
    const aborted = await small.openSession('aborted');
    small.addTree(aborted, { '/aborted': 'aborted' });
    await aborted.abort({ keep: true });
    for (const name of ['dead', 'running']) {
      const session = await small.openSession(name);
      small.addTree(session, { '/dead': name });
      await session.flush();
      small.store.objects.set(
        sessionBeatName(session.id),
        sessionBeatRecord.encode({ session: session.id, beat: 3 }, digest),
      );
    }
    whole = new Map(small.store.objects);
    const report = await checked(small, { readData: true });
    assert.equal(report.errors, 0);
    baseline = printed(report);
  });

  /** Whether the change is noticed: by opening the repository, or by what check finds. */
  async function isNoticed(change: (objects: Map<string, Uint8Array>) => void): Promise<boolean> {
    small.store.objects.clear();
    for (const [name, bytes] of whole) small.store.objects.set(name, Buffer.from(bytes));
    change(small.store.objects);
    let context: Awaited<ReturnType<SmallRepository['reopen']>>;
    try {
      context = await small.reopen();
    } catch (error) {
      assert.ok((error as { code?: string }).code, `${error}`);
      return true;
    }
    const report = await check(context, { readData: true });
    return printed(report) !== baseline;
  }

  it('notices a flipped bit in each', async () => {
    const missed: string[] = [];
    for (const [name, { length }] of whole) {
      for (const at of new Set([0, 5, length >> 2, length >> 1, length - 40, length - 1])) {
        if (
          !(await isNoticed((objects) => {
            objects.get(name)![Math.max(0, at)]! ^= 1 << (at % 8);
          }))
        )
          missed.push(`${name} at ${at}`);
      }
    }
    assert.deepEqual(missed, []);
  });

  it('notices that any is cut short, empty, or longer', async () => {
    const missed: string[] = [];
    for (const [name, bytes] of whole) {
      for (const other of [
        bytes.subarray(0, 0),
        bytes.subarray(0, bytes.length >> 1),
        bytes.subarray(0, -1),
        Buffer.concat([bytes, Buffer.of(0)]),
      ]) {
        if (
          !(await isNoticed((objects) => {
            objects.set(name, other);
          }))
        )
          missed.push(`${name} of ${other.length}`);
      }
    }
    assert.deepEqual(missed, []);
  });

  it('notices that any is gone, but the heartbeat of a session that has not ended', async () => {
    const missed: string[] = [];
    for (const name of whole.keys())
      if (
        !(await isNoticed((objects) => {
          objects.delete(name);
        }))
      )
        missed.push(name);
    assert.deepEqual(
      missed.filter((name) => !name.endsWith('.beat')),
      [],
    );
  });

  it('notices that any two are swapped, or one stands in for another', async () => {
    const missed: string[] = [];
    const names = [...whole.keys()].sort();
    for (const [i, a] of names.entries()) {
      // Each with its two neighbours, mostly of its kind, and with one of another kind.
      for (const b of [
        names[(i + 1) % names.length]!,
        names[(i + 2) % names.length]!,
        names[(i + 11) % names.length]!,
      ]) {
        const swap = await isNoticed((objects) => {
          objects.set(a, whole.get(b)!).set(b, whole.get(a)!);
        });
        const replay = await isNoticed((objects) => {
          objects.set(a, whole.get(b)!);
        });
        if (!swap || !replay) missed.push(`${a} ${b}`);
      }
    }
    assert.deepEqual(missed, []);
  });
});

describe('check() of a store that fails', () => {
  it('reports what cannot be read for other reasons than damage, and goes on', async () => {
    const { small, images } = await withImages();
    const pack = packOf(small, small.repository.secrets.chunkId(block(2)));
    await small.reopen();
    const get = small.store.get.bind(small.store);
    small.store.get = async (name, options) => {
      if (name === pack) throw new EverfullError('io', `cannot read "${name}": EIO`);
      return get(name, options);
    };
    const report = await check(small.context(), { readData: true });
    assert.deepEqual(errorsOf(report), [
      { object: pack, images: [[idOf(images[1]!), '/a/three']] },
      { object: pack, images: [[idOf(images[1]!), '/a/three']] },
    ]);
    assert.ok(report.findings.every(({ error }) => /EIO/.test(error.message)));
  });
});
