import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes, isEverfullError, systemClock } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { digest, SlotKind, sign } from '../crypto/mod.ts';
import {
  decodeManifestHeader,
  encodeManifestHeader,
  FrameKind,
  type ManifestHeader,
  manifestRecord,
  manifestSignedBytes,
} from '../format/mod.ts';
import { MemoryStore } from '../store/mod.ts';
import { endpointName, manifestName, packName, sessionEndName } from './names.ts';
import { type Damage, Repository } from './repository.ts';
import {
  addChunk,
  backUpEmpty,
  commitEmpty,
  DATASET,
  KEY,
  makeRepository,
  OTHER_KEY,
  openSession,
} from './testing/hand-made.ts';
import { WatchedStore } from './testing/watched-store.ts';

const SLOTS = [{ credential: KEY, label: 'test' }];

const noDamage = (damage: Damage) => assert.fail(`${damage.object}: ${damage.error.message}`);

async function readAll(repository: Repository) {
  const damaged: string[] = [];
  const images = await repository.images(({ object, error }) => damaged.push(`${error.code} ${object}`));
  return { sequences: images.map(({ header }) => header.sequence), damaged };
}

/** Puts another manifest in the place of the one at `sequence`. */
async function replaceManifest(
  store: MemoryStore,
  sequence: number,
  change: (header: ManifestHeader) => { header: ManifestHeader; signature?: Buffer },
): Promise<void> {
  const name = manifestName(DATASET, sequence);
  const record = manifestRecord.decode(store.objects.get(name)!, digest);
  const { header, signature = record.signature } = change(decodeManifestHeader(record.header));
  await store.replace(name, [
    manifestRecord.encode({ header: encodeManifestHeader(header), signature, body: record.body }, digest),
  ]);
}

test('a repository opens with the key that it was made with, and with no other', async () => {
  const { store, repository } = await makeRepository();
  const again = await Repository.open(store, [OTHER_KEY, KEY]);
  assert.ok(equalBytes(again.keyring.domainSecret, repository.keyring.domainSecret));
  await assert.rejects(Repository.open(store, [OTHER_KEY]), { code: 'wrong-password' });
  await assert.rejects(Repository.open(store, []), { code: 'wrong-password' });
  await assert.rejects(Repository.create(store, SLOTS, { clock: systemClock }), {
    code: 'repository-exists',
  });
  await assert.rejects(Repository.open(new MemoryStore(), [KEY]), { code: 'repository-missing' });
});

test('any of several slots opens a repository, each with its own kind of key', async () => {
  const { store, repository } = await makeRepository();
  const words = { kind: SlotKind.passphrase, secret: Buffer.from('open sesame') } as const;
  await repository.addSlot(words, 'words', {
    clock: systemClock,
    argon2: { memoryKiB: 8192, passes: 1, parallelism: 1 },
  });
  await repository.addSlot(OTHER_KEY, 'other', { clock: systemClock });
  for (const credential of [KEY, words, OTHER_KEY]) await Repository.open(store, [credential]);
  const wrong = { ...words, secret: Buffer.from('open sesam') };
  await assert.rejects(Repository.open(store, [wrong]), { code: 'wrong-password' });
});

test('an init that dies at any put can be done again, and what it left opens nothing', async () => {
  for (let failAt = 1; ; failAt++) {
    const store = new WatchedStore();
    store.failAt = failAt;
    const made = await Repository.create(store, SLOTS, { clock: systemClock }).then(
      () => true,
      (error: unknown) => {
        assert.ok(isEverfullError(error, 'io'), String(error));
        return false;
      },
    );
    if (made) {
      assert.ok(failAt > 2, 'there are several puts');
      break;
    }
    await assert.rejects(Repository.open(store, [KEY]), { code: 'repository-missing' });
    await Repository.create(store, SLOTS, { clock: systemClock });
    await backUpEmpty(await Repository.open(store, [KEY]));
  }
});

test('of two inits at once one wins, and the other says so', async () => {
  const store = new MemoryStore();
  const results = await Promise.allSettled(
    [1, 2].map(() => Repository.create(store, SLOTS, { clock: systemClock })),
  );
  const lost = results.filter((result) => result.status === 'rejected');
  assert.equal(lost.length, 1);
  assert.ok(isEverfullError(lost[0].reason, 'repository-exists'));
  await Repository.open(store, [KEY]);
});

test('images come in the order of their times, each committed one once, with its chain', async () => {
  const { repository } = await makeRepository();
  for (const time of [300, 100, 200]) await backUpEmpty(repository, { time });
  const session = await openSession(repository);
  await session.abort({ keep: false });
  const images = await repository.images(noDamage);
  assert.deepEqual(
    images.map(({ body, header }) => [body.time, header.sequence]),
    [
      [100, 2],
      [200, 3],
      [300, 1],
    ],
  );
  const bySequence = images.toSorted((a, b) => a.header.sequence - b.header.sequence);
  assert.deepEqual(bySequence[0].header.previous, Buffer.alloc(32));
  for (const i of [1, 2]) assert.deepEqual(bySequence[i].header.previous, bySequence[i - 1].id);
  assert.deepEqual((await repository.newestImage(DATASET, noDamage))?.id, bySequence[2].id);
  assert.equal(await repository.newestImage(Buffer.alloc(16, 2), noDamage), undefined);
});

test('one damaged manifest is told of, the others are given, and the next image is committed behind it', async () => {
  const { store, repository } = await makeRepository();
  for (let i = 0; i < 2; i++) await backUpEmpty(repository);
  const last = await backUpEmpty(repository);
  const name = manifestName(DATASET, 3);
  store.objects.get(name)![40] ^= 1;
  assert.deepEqual(await readAll(repository), { sequences: [1, 2], damaged: [`damaged ${name}`] });
  const told: string[] = [];
  const newest = await repository.newestImage(DATASET, ({ object }) => told.push(object));
  assert.equal(newest?.header.sequence, 2);
  assert.deepEqual(told, [name]);
  const next = await backUpEmpty(repository);
  assert.equal(next.sequence, 4);
  assert.deepEqual(next.previous, last.id, 'the end record still tells the id');
});

test('behind a damaged manifest of which no end record tells, the chain goes on from zeros', async () => {
  const { store, repository } = await makeRepository();
  await backUpEmpty(repository);
  for (const name of [...store.objects.keys()]) if (name.endsWith('.end')) store.objects.delete(name);
  store.objects.set(manifestName(DATASET, 1), Buffer.alloc(10));
  const next = await backUpEmpty(repository);
  assert.deepEqual([next.sequence, next.previous], [2, Buffer.alloc(32)]);
});

test('a manifest with a signature that is not its endpoint’s is refused', async () => {
  const { store, repository } = await makeRepository();
  await backUpEmpty(repository);
  const other = await repository.endpoint('other');
  await replaceManifest(store, 1, (header) => ({
    header,
    signature: sign(other, manifestSignedBytes(encodeManifestHeader(header))),
  }));
  await assert.rejects(repository.readManifest(DATASET, 1), { code: 'forged' });
  assert.deepEqual(await readAll(repository), {
    sequences: [],
    damaged: [`forged ${manifestName(DATASET, 1)}`],
  });
});

test('a header that was changed is refused, whatever was changed', async () => {
  const { store, repository } = await makeRepository();
  await backUpEmpty(repository);
  const original = store.objects.get(manifestName(DATASET, 1))!;
  const changes: Partial<ManifestHeader>[] = [
    { indexRoot: Buffer.alloc(32, 9) },
    { previous: Buffer.alloc(32, 9) },
    { sequence: 2 },
    { dataset: Buffer.alloc(16, 9) },
    { secretsId: Buffer.alloc(16, 9) },
    { session: Buffer.alloc(16, 9) },
    { bodyDigest: Buffer.alloc(32, 9) },
    { indexItems: 7 },
  ];
  for (const change of changes) {
    store.objects.set(manifestName(DATASET, 1), original);
    await replaceManifest(store, 1, (header) => ({ header: { ...header, ...change } }));
    await assert.rejects(repository.readManifest(DATASET, 1), { code: 'forged' }, JSON.stringify(change));
  }
});

test('a manifest that was copied to another number or dataset is refused', async () => {
  const { store, repository } = await makeRepository();
  await backUpEmpty(repository);
  await backUpEmpty(repository);
  const bytes = store.objects.get(manifestName(DATASET, 1))!;
  store.objects.set(manifestName(DATASET, 2), bytes);
  await assert.rejects(repository.readManifest(DATASET, 2), { code: 'forged' });
  const elsewhere = Buffer.alloc(16, 5);
  store.objects.set(manifestName(elsewhere, 1), bytes);
  await assert.rejects(repository.readManifest(elsewhere, 1), { code: 'forged' });
  assert.deepEqual(await readAll(repository), {
    sequences: [1],
    damaged: [`forged ${manifestName(DATASET, 2)}`],
  });
});

test('a manifest of an endpoint that is not registered, or in whose place another stands, is refused', async () => {
  const { store, repository } = await makeRepository();
  await backUpEmpty(repository, {}, 'stranger');
  const { header } = await repository.readManifest(DATASET, 1);
  const name = endpointName(header.endpoint);
  await repository.endpoint('host');
  const host = store.objects.get(endpointName(repository.secrets.endpointId('host')))!;
  store.objects.set(name, host);
  const swapped = await Repository.open(store, [KEY]);
  await assert.rejects(swapped.readManifest(DATASET, 1), { code: 'forged' });
  await assert.rejects(swapped.endpoint('stranger'), { code: 'forged' });
  store.objects.delete(name);
  await assert.rejects(swapped.readManifest(DATASET, 1), { code: 'object-missing' });
});

test('an end record that was put for another image does not count', async () => {
  const { store, repository } = await makeRepository();
  await backUpEmpty(repository);
  await backUpEmpty(repository);
  const [first, second] = await Promise.all([1, 2].map((n) => repository.readManifest(DATASET, n)));
  const ends = [first, second].map(({ header }) => sessionEndName(header.session));
  store.objects.set(ends[1], store.objects.get(ends[0])!);
  const told: string[] = [];
  const newest = await repository.newestImage(DATASET, ({ error }) => told.push(error.code));
  assert.deepEqual([newest?.header.sequence, told], [1, ['forged']]);
});

test('a chunk is read, opened and checked; a flipped byte or one in another’s place is damage', async () => {
  const { store, repository } = await makeRepository();
  const session = await openSession(repository);
  const plains = [noise(5000, 1), noise(5000, 2)];
  const ids = plains.map((plain) => addChunk(repository, session, plain));
  await commitEmpty(repository, session);
  const fresh = await Repository.open(store, [KEY]);
  for (const [i, id] of ids.entries())
    assert.ok(equalBytes((await fresh.frame(FrameKind.chunk, id)).plain, plains[i]));
  await assert.rejects(fresh.frame(FrameKind.indexNode, ids[0]), { code: 'damaged' });
  await assert.rejects(fresh.frame(FrameKind.chunk, Buffer.alloc(32, 3)), { code: 'object-missing' });

  const places = ids.map((id) => repository.index.find(id)!);
  const pack = store.objects.get(packName(places[0].pack))!;
  const frames = places.map(({ offset, length }) => Buffer.from(pack.subarray(offset, offset + length)));
  pack.set(frames[1], places[0].offset);
  pack[places[1].offset + 3000] ^= 0x40;
  const damaged = await Repository.open(store, [KEY]);
  for (const id of ids) await assert.rejects(damaged.frame(FrameKind.chunk, id), { code: 'damaged' });
  await assert.rejects(damaged.frame(FrameKind.chunk, ids[0]), { code: 'damaged' }, 'a failure is not kept');
});

test('what another process stored since is found', async () => {
  const { store, repository } = await makeRepository();
  const other = await Repository.open(store, [KEY]);
  const session = await openSession(other);
  const plain = noise(100, 1);
  const id = addChunk(other, session, plain);
  await session.flush();
  assert.equal(repository.index.has(id), false);
  assert.ok(equalBytes((await repository.frame(FrameKind.chunk, id)).plain, plain));
});
