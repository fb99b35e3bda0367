import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, it } from 'node:test';
import { EverfullError, hexOf } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { type Entry, EntryType } from '../format/mod.ts';
import type { BuiltNode } from '../image/mod.ts';
import { packName } from '../repository/mod.ts';
import { check } from './check.ts';
import {
  block,
  checked,
  damageChunk,
  errorsOf,
  flip,
  packOf,
  withImages,
} from './testing/checked-repository.ts';
import { idOf, SmallRepository } from './testing/small-repository.ts';

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
    assert.equal(small.repository.frames.read.nodes, report.nodes);
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
    assert.deepEqual(errorsOf({ findings })[0]!.images, [[idOf(image), '/too-long']]);
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
