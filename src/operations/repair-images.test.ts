import assert from 'node:assert/strict';
import { before, describe, it, test } from 'node:test';
import { type ByteString, equalBytes, hexOf } from '../base/mod.ts';
import {
  DecisionKind,
  decodeContentNode,
  decodeIndexNode,
  ENTRY_ANCESTOR,
  type Entry,
  EntryType,
  FrameKind,
} from '../format/mod.ts';
import { decideRetention, type Image, packName, verifyPacks } from '../repository/mod.ts';
import { check } from './check.ts';
import { readerOf } from './reading.ts';
import { type ImageRepair, type RepairImagesOptions, repairImages } from './repair-images.ts';
import { block, flip, manyBlocks } from './testing/checked-repository.ts';
import { type Item, SmallRepository } from './testing/small-repository.ts';

/** By path: what an image holds, and each file's bytes. */
async function treeOf(
  small: SmallRepository,
  image: Image,
): Promise<Map<ByteString, { entry: Entry; bytes: string }>> {
  const reader = readerOf(small.repository, image);
  const tree = new Map<ByteString, { entry: Entry; bytes: string }>();
  for await (const { path, entry } of reader.walk('/')) {
    const blocks: Uint8Array[] = [];
    if (entry.content !== undefined)
      for await (const part of reader.readRange(entry.content)) blocks.push(Buffer.from(part));
    tree.set(path, { entry, bytes: Buffer.concat(blocks).toString('latin1') });
  }
  return tree;
}

async function verify(small: SmallRepository): Promise<void> {
  await verifyPacks(small.store, {
    clock: small.clock,
    signal: new AbortController().signal,
    progress: () => {},
    onDamage: () => {},
  });
}

/** Flips a byte at the end of a frame. */
function damage(small: SmallRepository, id: Uint8Array): void {
  const { pack, offset, length } = small.repository.index.find(id)!;
  flip(small, packName(pack), offset + length - 1);
}

function damageChunk(small: SmallRepository, plain: string | Buffer): void {
  damage(small, small.repository.secrets.chunkId(Buffer.from(plain)));
}

async function repair(
  small: SmallRepository,
  options: Partial<RepairImagesOptions> = {},
): Promise<ImageRepair[]> {
  return repairImages(await small.reopen(), {
    specs: [],
    keepPartial: false,
    dryRun: false,
    compression: 'auto',
    program: 'test',
    ...options,
  });
}

async function imagesOf(small: SmallRepository): Promise<Image[]> {
  const { repository } = await small.reopen();
  return repository.images(({ error }) => {
    throw error;
  });
}

/** The new image of a repair, once it is shown that nothing a check finds touches it. */
async function soundImage(small: SmallRepository, { repairedAs }: ImageRepair): Promise<Image> {
  const image = (await imagesOf(small)).find(({ id }) => equalBytes(id, repairedAs!));
  assert.ok(image !== undefined, 'the repaired image is listed');
  const { findings } = await check(await small.reopen(), { readData: true });
  const touching = findings.filter(({ images }) => images.some(({ id }) => id === hexOf(image.id)));
  assert.deepEqual(touching, []);
  return image;
}

const lostOf = ({ lost }: ImageRepair) => lost.map(({ kind, path }) => `${kind} ${path}`);

const ITEMS: Readonly<Record<ByteString, Item>> = {
  '/a/one': 'one',
  '/a/two': ['two', block(1), 'more'],
  '/a/two-and': 'between',
  '/b/long': manyBlocks.slice(0, 40),
  '/b/link': { type: EntryType.symlink, target: 'long' },
};

describe('repairImages()', () => {
  it('does nothing where nothing is lost', async () => {
    const small = await SmallRepository.create();
    await small.commit(ITEMS);
    const objects = small.store.objects.size;
    assert.deepEqual(await repair(small), []);
    assert.equal(small.store.objects.size, objects);
  });

  it('leaves out files that lost bytes, keeps all else exactly, and forgets the old image', async () => {
    const small = await SmallRepository.create();
    const old = await small.commit(ITEMS, { tags: ['daily'], time: 5000 });
    const wanted = await treeOf(small, old);
    damageChunk(small, block(1));
    await verify(small);
    const before = new Set(small.store.objects.keys());
    const [planned] = await repair(small, { dryRun: true });
    assert.deepEqual(
      [planned!.repairedAs, planned!.isForgotten, lostOf(planned!)],
      [undefined, false, ['content /a/two']],
    );
    assert.deepEqual(new Set(small.store.objects.keys()), before);

    const [done] = await repair(small);
    assert.deepEqual(lostOf(done!), ['content /a/two']);
    assert.deepEqual([done!.lost[0]!.bytesLost, done!.lost[0]!.size], [70_000, 70_007]);
    const image = await soundImage(small, done!);
    assert.deepEqual([done!.isForgotten, (await imagesOf(small)).length], [true, 1]);
    assert.deepEqual(
      [image.body.time, image.body.tags, image.committed],
      [5000, ['daily', 'repaired'], old.committed],
    );
    assert.ok(equalBytes(image.header.dataset, old.header.dataset));
    assert.equal(image.header.sequence, old.header.sequence + 1);
    assert.deepEqual(image.body.warnings, [{ path: '/a/two', message: 'lost 70000 of 70007 bytes' }]);
    wanted.delete('/a/two');
    assert.deepEqual(await treeOf(small, image), wanted);
    assert.deepEqual(await repair(small), []);
  });

  it('keeps what is left of a file, with holes, under another name in its place among the keys', async () => {
    const small = await SmallRepository.create();
    const old = await small.commit({ ...ITEMS, '/a/two.damaged': 'taken', '/b/gone': [block(2)] });
    const wanted = await treeOf(small, old);
    for (const plain of [block(1), block(2), 'piece 7', 'piece 8', 'piece 20']) damageChunk(small, plain);
    await verify(small);
    const [done] = await repair(small, { keepPartial: true });
    assert.deepEqual(lostOf(done!).sort(), ['content /a/two', 'content /b/gone', 'content /b/long']);
    const kept = new Map(done!.lost.map(({ path, keptAs }) => [path, keptAs]));
    assert.deepEqual(
      [kept.get('/a/two'), kept.get('/b/long'), kept.get('/b/gone')],
      ['/a/two.damaged.damaged', '/b/long.damaged', undefined],
    );
    const found = await treeOf(small, await soundImage(small, done!));
    const two = found.get('/a/two.damaged.damaged')!;
    assert.equal(two.bytes, `two${'\0'.repeat(70_000)}more`);
    assert.equal(
      found.get('/b/long.damaged')!.bytes,
      wanted.get('/b/long')!.bytes.replace(/piece (7|8|20)(?!\d)/g, (piece) => '\0'.repeat(piece.length)),
    );
    assert.ok(!equalBytes(two.entry.fingerprint!, wanted.get('/a/two')!.entry.fingerprint!));
    assert.equal(two.entry.mode, wanted.get('/a/two')!.entry.mode);
    for (const path of ['/a/two.damaged.damaged', '/b/long.damaged']) found.delete(path);
    for (const path of ['/a/two', '/b/long', '/b/gone']) wanted.delete(path);
    assert.deepEqual(found, wanted);
  });

  it('makes a file whose content tree lost a node what is left of it', async () => {
    const small = await SmallRepository.create();
    const long = Array.from({ length: 1500 }, (_, i) => `part ${i};`);
    const old = await small.commit({ '/a/long': long });
    const wanted = (await treeOf(small, old)).get('/a/long')!.bytes;
    const { content } = (await readerOf(small.repository, old).lookUp('/a/long'))!;
    assert.ok(content !== undefined && 'root' in content && content.level > 0);
    const { plain } = await small.repository.frame(FrameKind.contentNode, content.root);
    const node = decodeContentNode(plain);
    assert.ok('children' in node);
    damage(small, node.children[1]!.id);
    await verify(small);
    const [done] = await repair(small, { keepPartial: true });
    const [{ bytesLost, keptAs }] = done!.lost as [ImageRepair['lost'][0]];
    assert.deepEqual([bytesLost, keptAs], [node.children[1]!.length, '/a/long.damaged']);
    const found = (await treeOf(small, await soundImage(small, done!))).get('/a/long.damaged')!.bytes;
    const start = node.children[0]!.length;
    assert.equal(found, wanted.slice(0, start) + '\0'.repeat(bytesLost) + wanted.slice(start + bytesLost));
  });

  it('keeps hard links, and leaves out every name of a damaged one', async () => {
    const small = await SmallRepository.create();
    const linked = (group: string, plain: string): Partial<Entry> => ({
      type: EntryType.file,
      mode: 0o600,
      linkGroup: group,
      fingerprint: Buffer.alloc(32, 3),
      content: {
        pieces: [
          { length: plain.length, chunk: small.repository.secrets.chunkId(Buffer.from(plain)), offset: 0 },
        ],
      },
    });
    await small.commit({ '/x': ['whole', 'broken'] }, { dataset: 'other' });
    await small.commit({
      '/1': linked('/1', 'whole'),
      '/2': linked('/1', 'whole'),
      '/3': linked('/3', 'broken'),
      '/4': linked('/3', 'broken'),
    });
    damageChunk(small, 'broken');
    await verify(small);
    const repairs = await repair(small, { keepPartial: true });
    const done = repairs.find(({ lost }) => lost.length === 2)!;
    const found = await treeOf(small, await soundImage(small, done));
    assert.deepEqual([...found.keys()], ['/', '/1', '/2']);
    assert.equal(found.get('/2')!.entry.linkGroup, '/1');
  });

  it('does not forget an image that is held or locked, and repairs it once only', async () => {
    for (const kind of [DecisionKind.hold, DecisionKind.lock]) {
      const small = await SmallRepository.create();
      const old = await small.commit(ITEMS);
      const subject = kind === DecisionKind.hold ? old.header.session : old.header.dataset;
      const until = small.clock.time + 1_000_000;
      await decideRetention(small.store, small.clock, () => [{ kind, subject, until, note: '' }]);
      damageChunk(small, block(1));
      await verify(small);
      const [done] = await repair(small);
      assert.equal(done!.isForgotten, false);
      assert.equal((await imagesOf(small)).length, 2);
      const [again] = await repair(small);
      assert.ok(equalBytes(again!.repairedAs!, done!.repairedAs!));
      assert.equal((await imagesOf(small)).length, 2);
    }
  });

  it('repairs only the images that are named', async () => {
    const small = await SmallRepository.create();
    const first = await small.commit(ITEMS);
    const second = await small.commit({ ...ITEMS, '/c': 'c' });
    damageChunk(small, block(1));
    await verify(small);
    const repairs = await repair(small, { specs: [hexOf(second.id).slice(0, 20)] });
    assert.deepEqual(
      repairs.map(({ image }) => hexOf(image.id)),
      [hexOf(second.id)],
    );
    assert.ok((await imagesOf(small)).some(({ id }) => equalBytes(id, first.id)));
  });

  it('makes nothing of an image of which nothing is left', async () => {
    const small = await SmallRepository.create();
    const old = await small.commit(ITEMS);
    damage(small, old.header.indexRoot);
    await verify(small);
    const [done] = await repair(small);
    assert.deepEqual([done!.isAnyLeft, done!.repairedAs, done!.isForgotten], [false, undefined, false]);
    assert.equal((await imagesOf(small)).length, 1);
  });

  it('loses nothing where the damaged copy is not the only one', async () => {
    const small = await SmallRepository.create();
    const old = await small.commit(ITEMS);
    damageChunk(small, block(1));
    await verify(small);
    await small.reopen();
    await small.commit({ '/elsewhere': [block(1)] }, { dataset: 'other' });
    assert.deepEqual(await repair(small), []);
    assert.equal((await treeOf(small, old)).get('/a/two')!.bytes.length, 70_007);
  });
});

describe('repairImages() of an image that lost nodes of its index', () => {
  let small: SmallRepository;
  let old: Image;
  const items: Record<ByteString, Item> = {};
  for (let folder = 0; folder < 60; folder++)
    for (let file = 0; file < 20; file++) items[`/f${folder}/deep/file ${file}`] = `${folder}.${file}`;

  before(async () => {
    small = await SmallRepository.create();
    const chunk = small.repository.secrets.chunkId(Buffer.from('1.1'));
    const content = { pieces: [{ length: 3, chunk, offset: 0 }] };
    const linked = { type: EntryType.file, linkGroup: '/aaa', fingerprint: Buffer.alloc(32, 3), content };
    for (const path of ['/aaa', '/f30/deep/link', '/f31/deep/link']) items[path] = linked;
    old = await small.commit(items);
  });

  async function leavesOf(): Promise<readonly { id: Uint8Array; items: number; key: ByteString }[]> {
    const { plain } = await small.repository.frame(FrameKind.indexNode, old.header.indexRoot);
    const root = decodeIndexNode(plain);
    assert.ok('children' in root && root.level === 1 && root.children.length > 6);
    return root.children;
  }

  it('lists what is lost by where it stood, and makes up folders that something is left in', async () => {
    const wanted = await treeOf(small, old);
    const leaves = await leavesOf();
    // The first holds the entries of the upper folders.
    for (const at of [0, 3, leaves.length - 1]) damage(small, leaves[at]!.id);
    await verify(small);
    const [done] = await repair(small);
    const ranges = done!.lost.filter(({ kind }) => kind === 'entries');
    assert.deepEqual(
      ranges.map(({ entries }) => entries),
      [0, 3, leaves.length - 1].map((at) => leaves[at]!.items),
    );
    assert.deepEqual([ranges[0]!.path, ranges[2]!.to], ['/', undefined]);
    const found = await treeOf(small, await soundImage(small, done!));
    const madeUp = done!.lost.filter(({ kind }) => kind === 'attributes').map(({ path }) => path);
    assert.ok(madeUp.includes('/'));
    for (const path of madeUp) {
      const { entry } = found.get(path)!;
      assert.deepEqual([entry.type, entry.flags, entry.uid], [EntryType.folder, ENTRY_ANCESTOR, 0]);
    }
    const lost = ranges.reduce((sum, { entries }) => sum + entries, 0);
    assert.equal(found.size, wanted.size - lost + madeUp.length);
    // The group was named by a path that is lost.
    assert.ok(wanted.has('/aaa') && !found.has('/aaa'));
    for (const path of ['/f30/deep/link', '/f31/deep/link']) {
      const { entry, bytes } = wanted.get(path)!;
      wanted.set(path, { entry: { ...entry, linkGroup: '/f30/deep/link' }, bytes });
    }
    for (const [path, entry] of found)
      if (!madeUp.includes(path)) assert.deepEqual(entry, wanted.get(path), path);
    for (const path of found.keys()) {
      const parent = path.slice(0, path.lastIndexOf('/')) || '/';
      assert.ok(found.has(parent), `${path} has a folder`);
    }
    assert.equal(done!.lost.filter(({ kind }) => kind === 'content').length, 0);
  });
});

test('repairImages() stops when it is interrupted, and leaves no image', async () => {
  const small = await SmallRepository.create();
  await small.commit(ITEMS);
  damageChunk(small, block(1));
  await verify(small);
  const interrupted = new AbortController();
  interrupted.abort();
  await small.reopen();
  const work = repairImages(small.context({ signal: interrupted.signal }), {
    specs: [],
    keepPartial: false,
    dryRun: false,
    compression: 'auto',
    program: 'test',
  });
  await assert.rejects(work, { code: 'interrupted' });
  assert.equal((await imagesOf(small)).length, 1);
});
