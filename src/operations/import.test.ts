import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexOf } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { damagedRecord, decodeFrame, FrameKind, type StreamRecord } from '../format/mod.ts';
import { damagedName, decideRetention, type Image } from '../repository/mod.ts';
import { exportImage } from './export.ts';
import { importImage } from './import.ts';
import { block, checked, damageChunk, errorsOf, manyBlocks } from './testing/checked-repository.ts';
import { type Item, SmallRepository } from './testing/small-repository.ts';
import { contentsOf, exported, imagesOf, imported, recordsOf, remade } from './testing/streams.ts';

const ITEMS: Readonly<Record<string, Item>> = {
  '/a/one': 'one',
  '/a/two': ['two', block(1), 5000],
  '/b/long': manyBlocks,
};

/** A repository with an image, and another with the same secrets. */
async function twoRepositories(items = ITEMS) {
  const from = await SmallRepository.create();
  const image = await from.commit(items, { host: 'laptop', tags: ['daily'] });
  return { from, image, to: await SmallRepository.create(from) };
}

async function assertSame(
  from: SmallRepository,
  image: Image,
  to: SmallRepository,
  id: string,
): Promise<void> {
  const found = (await imagesOf(to)).find((other) => hexOf(other.id) === id)!;
  assert.deepEqual(await contentsOf(to, found), await contentsOf(from, image));
  assert.deepEqual(found.header.indexRoot, image.header.indexRoot);
  const { base: _, original: __, bytesAdded: ___, bytesAddedStored: ____, ...body } = image.body;
  assert.deepEqual({ ...found.body, ...body }, found.body);
  assert.deepEqual(found.body.original, image.id);
  assert.equal(found.committed, image.committed);
  assert.deepEqual(errorsOf(await checked(to, { readData: true })), []);
}

const countsOf = (records: readonly StreamRecord[]) => {
  const counts: Record<string, number> = {};
  for (const { type } of records) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
};

/** Refused with this code, and no image made. */
async function assertRefused(to: SmallRepository, stream: Uint8Array, error: object): Promise<void> {
  const before = (await imagesOf(to)).length;
  await assert.rejects(imported(to, stream), error);
  assert.equal((await imagesOf(to)).length, before);
}

test('an image passes whole into a repository with the same secrets', async () => {
  const { from, image, to } = await twoRepositories();
  assert.notDeepEqual(to.repository.keyring.wrappingKey.id, from.repository.keyring.wrappingKey.id);
  const summary = await imported(to, await exported(from, image));
  assert.equal(summary.alreadyThere, false);
  assert.equal(summary.original, hexOf(image.id));
  assert.equal(summary.framesAdded, summary.chunks + summary.nodes);
  await assertSame(from, image, to, summary.image);
});

test('an image of an empty tree passes, too', async () => {
  const { from, image, to } = await twoRepositories({});
  await assertSame(from, image, to, (await imported(to, await exported(from, image))).image);
});

test('an increment carries what its base has not, and is built on the base that is here', async () => {
  const { from, image, to } = await twoRepositories();
  const changed = await from.commit(
    {
      ...ITEMS,
      '/a/one': 'changed',
      '/b/long': [...manyBlocks.slice(0, 200), 'other', ...manyBlocks.slice(201)],
    },
    { host: 'laptop' },
  );
  const whole = await imported(to, await exported(from, image));
  const stream = await exported(from, changed, image);
  const counts = countsOf(recordsOf(stream));
  assert.equal(counts.data, 2, 'the two new chunks');
  assert.ok(counts.node! < 6 && counts.ref! < 6);
  assert.ok(stream.length < (await exported(from, changed)).length / 4);
  const summary = await imported(to, stream);
  assert.equal(summary.base, whole.image);
  await assertSame(from, changed, to, summary.image);
  assert.equal(hexOf((await imagesOf(to)).at(-1)!.body.base), whole.image);
});

test('what did not change at all is one reference', async () => {
  const { from, image, to } = await twoRepositories();
  const again = await from.commit(ITEMS, { host: 'laptop' });
  await imported(to, await exported(from, image));
  const stream = await exported(from, again, image);
  assert.deepEqual(countsOf(recordsOf(stream)), { open: 1, ref: 1, key: 1, commit: 1, end: 1 });
  await assertSame(from, again, to, (await imported(to, stream)).image);
});

test('files that moved or were copied, and chunks of images between, are not sent when the base has them', async () => {
  const { from, image, to } = await twoRepositories();
  await from.commit({ '/else': 'of a session between' });
  const items = {
    '/z/moved': ITEMS['/a/two']!,
    '/z/copied': ITEMS['/b/long']!,
    '/b/long': ITEMS['/b/long']!,
    '/else': 'of a session between',
  };
  const moved = await from.commit(items);
  await imported(to, await exported(from, image));
  const stream = await exported(from, moved, image);
  const sent = recordsOf(stream).filter(({ type }) => type === 'data') as { frame: Uint8Array }[];
  assert.deepEqual(
    sent.map(({ frame }) => decodeFrame(frame).header.id),
    [from.repository.secrets.chunkId(Buffer.from('of a session between'))],
  );
  await assertSame(from, moved, to, (await imported(to, stream)).image);
});

test('an increment can be built on any image with the contents of its base', async () => {
  const { from, image, to } = await twoRepositories();
  const next = await from.commit({ ...ITEMS, '/new': 'new' });
  const own = await to.commit(ITEMS, { dataset: 'of its own' });
  const summary = await imported(to, await exported(from, next, image));
  assert.equal(summary.base, hexOf(own.id));
  await assertSame(from, next, to, summary.image);
});

test('an increment whose base is not here, or was forgotten, is refused', async () => {
  const { from, image, to } = await twoRepositories();
  const next = await from.commit({ ...ITEMS, '/new': 'new' });
  const stream = await exported(from, next, image);
  await assertRefused(to, stream, { code: 'base-missing' });
  await imported(to, await exported(from, image));
  const [base] = await imagesOf(to);
  await decideRetention(to.store, to.clock, () => [
    { kind: 1, subject: base!.header.session, until: 0, note: '' },
  ]);
  await assertRefused(to, stream, { code: 'base-missing' });
});

test('a forgotten image can be imported again', async () => {
  const { from, image, to } = await twoRepositories();
  const stream = await exported(from, image);
  const first = await imported(to, stream);
  const [there] = await imagesOf(to);
  await decideRetention(to.store, to.clock, () => [
    { kind: 1, subject: there!.header.session, until: 0, note: '' },
  ]);
  const second = await imported(to, stream);
  assert.notEqual(second.image, first.image);
  await assertSame(from, image, to, second.image);
});

test('a stream of other secrets is refused', async () => {
  const { from, image } = await twoRepositories();
  await assertRefused(await SmallRepository.create(), await exported(from, image), {
    code: 'stream-foreign',
    message: /not with those of this repository/,
  });
});

test('an image that is here already is not made twice', async () => {
  const { from, image, to } = await twoRepositories();
  const stream = await exported(from, image);
  const first = await imported(to, stream);
  const second = await imported(to, stream);
  assert.deepEqual(
    [second.alreadyThere, second.image, second.framesAdded, (await imagesOf(to)).length],
    [true, first.image, 0, 1],
  );
  // Also where it came from.
  assert.equal((await imported(from, stream)).image, hexOf(image.id));
});

test('a stream that was cut off makes no image; what came is not stored again', async () => {
  const { from, image, to } = await twoRepositories();
  const { secrets } = from.repository;
  const records = recordsOf(await exported(from, image));
  const stream = remade(records, (previous) => secrets.streamProof(previous), { recordsASegment: 50 });
  for (const length of [
    0,
    50,
    200,
    stream.length / 4,
    stream.length / 2,
    stream.length - 200,
    stream.length - 1,
  ])
    await assertRefused(to, stream.subarray(0, length), { code: 'damaged', message: /before its own end/ });
  const summary = await imported(to, stream);
  assert.ok(summary.framesAdded < summary.chunks + summary.nodes);
  await assertSame(from, image, to, summary.image);
});

test('a byte that differs anywhere makes no image', async () => {
  const { from, image, to } = await twoRepositories({ '/file': 'small' });
  const stream = await exported(from, image);
  for (let at = 0; at < stream.length; at += 5) {
    const changed = Buffer.from(stream);
    changed[at]! ^= 1 << (at % 8);
    await assert.rejects(imported(to, changed), `byte ${at}`);
  }
  assert.deepEqual(await imagesOf(to), []);
  const more = Buffer.concat([stream, Buffer.from([0])]);
  await assertRefused(to, more, { code: 'damaged', message: /more comes after its end/ });
});

test('who has no secrets can make no stream, however right its digests are', async () => {
  const { from, image, to } = await twoRepositories();
  const records = recordsOf(await exported(from, image));
  const { secrets } = (await SmallRepository.create()).repository;
  await assertRefused(
    to,
    remade(records, (previous) => secrets.streamProof(previous)),
    { code: 'forged' },
  );
});

test('a stream whose parts do not make an image is refused, whoever made it', async () => {
  const { from, image, to } = await twoRepositories();
  const other = await from.commit({ '/other': [block(7)] });
  const { secrets } = from.repository;
  const records = recordsOf(await exported(from, image));
  const others = recordsOf(await exported(from, other));
  const of = (type: string) => (record: StreamRecord) => record.type === type;
  const commit = (list: readonly StreamRecord[]) => list.find(of('commit'))!;
  const root = records.findLast(of('node'))!;
  const refused = async (changed: readonly StreamRecord[], error: object) =>
    assertRefused(
      to,
      remade(changed, (previous) => secrets.streamProof(previous)),
      error,
    );
  await refused(
    records.filter((record) => record.type !== 'key'),
    { code: 'damaged', message: /data key .* did not come/ },
  );
  await refused(
    records.filter((record) => record !== records.find(of('data'))),
    { code: 'damaged', message: /needs chunk/ },
  );
  await refused(
    records.filter((record) => record !== records.find(of('node'))),
    { code: 'damaged', message: /names node/ },
  );
  await refused(
    records.filter((record) => record !== root),
    { code: 'damaged', message: /the root of the image/ },
  );
  await refused(
    records.map((record) => (record.type === 'commit' ? commit(others) : record)),
    { code: 'damaged' },
  );
  const reference: StreamRecord = {
    ...{ type: 'ref', kind: FrameKind.indexNode, level: 0, items: 1, length: 1 },
    id: decodeFrame((root as { frame: Uint8Array }).frame).header.id,
  };
  await refused([records[0]!, reference, ...records.slice(1)], {
    code: 'damaged',
    message: /without a base/,
  });
});

test('a reference to what the base does not have is refused, though it is here', async () => {
  const { from, image, to } = await twoRepositories();
  const next = await from.commit({ ...ITEMS, '/new': 'new' });
  const small = await from.commit({ '/x': 'x' });
  for (const one of [image, small]) await imported(to, await exported(from, one));
  const base = recordsOf(await exported(from, next, small))[0]!;
  const changes = recordsOf(await exported(from, next, image)).slice(1);
  const stream = remade([base, ...changes], (previous) => from.repository.secrets.streamProof(previous));
  await assertRefused(to, stream, { code: 'damaged', message: /which the base image does not have/ });
});

test('a base that is known to be damaged here is not built on; the whole image heals it', async () => {
  const { from, image, to } = await twoRepositories();
  const next = await from.commit({ ...ITEMS, '/new': 'new' });
  await imported(to, await exported(from, image));
  damageChunk(to, block(1));
  const id = to.repository.secrets.chunkId(block(1));
  const { pack } = to.repository.index.find(id)!;
  const verification = Buffer.alloc(16, 1);
  await to.store.putIfAbsent(damagedName(verification), [
    damagedRecord.encode({ verification, found: 1, frames: [{ id, pack }] }, digest),
  ]);
  await assertRefused(to, await exported(from, next, image), {
    code: 'damaged',
    message: /needs chunk .* damaged or missing/,
  });
  const summary = await imported(to, await exported(from, next));
  assert.equal(summary.framesAdded > 0, true);
  const found = (await imagesOf(to)).find((other) => hexOf(other.id) === summary.image)!;
  assert.deepEqual(await contentsOf(to, found), await contentsOf(from, next));
});

test('an image that is damaged cannot be exported, and what was written of it makes none', async () => {
  const { from, image, to } = await twoRepositories();
  damageChunk(from, block(1));
  const parts: Buffer[] = [];
  const write = async (bytes: Uint8Array) => void parts.push(Buffer.from(bytes));
  await assert.rejects(exportImage(await from.reopen(), image, { write }), { code: 'damaged' });
  await assertRefused(to, Buffer.concat(parts), { code: 'damaged' });
});

test('an interrupted import makes no image and leaves no session open', async () => {
  const { from, image, to } = await twoRepositories();
  const stream = await exported(from, image);
  const aborted = AbortSignal.abort();
  const context = { ...(await to.reopen()), signal: aborted };
  const input = async function* () {
    yield stream;
  };
  await assert.rejects(importImage(context, input()), { code: 'interrupted' });
  assert.deepEqual(await imagesOf(to), []);
  const sessions = [...to.store.objects.keys()].filter((name) => name.startsWith('sessions/'));
  assert.deepEqual(sessions.map((name) => name.slice(name.lastIndexOf('.'))).sort(), ['.end', '.open']);
});
