import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { digest } from '../crypto/mod.ts';
import {
  FrameKind,
  PACK_BYTES_TARGET,
  SESSION_COMMITTED,
  SESSION_EXPIRED,
  sessionEndRecord,
} from '../format/mod.ts';
import { dryRunOf } from './dry-run.ts';
import { dataKeyName, manifestName, sessionEndName, sessionOpenName } from './names.ts';
import { Repository } from './repository.ts';
import { WriteSession } from './session.ts';
import {
  addChunk,
  backUpEmpty,
  commitEmpty,
  DATASET,
  KEY,
  makeRepository,
  openSession,
} from './testing/hand-made.ts';

function endOf(objects: ReadonlyMap<string, Uint8Array>, session: Uint8Array) {
  return sessionEndRecord.decode(objects.get(sessionEndName(session))!, digest);
}

test('everything is durable before what refers to it is begun', async () => {
  const { store, repository } = await makeRepository();
  await repository.endpoint('host');
  store.log.length = 0;
  const session = await openSession(repository);
  for (let i = 0; i < 20; i++) {
    addChunk(repository, session, noise(4_000_000, i));
    await session.room();
  }
  await commitEmpty(repository, session);
  const { log } = store;
  const at = (entry: string) => {
    const place = log.indexOf(entry);
    assert.ok(place >= 0, entry);
    return place;
  };
  const packs = log.filter((entry) => entry.startsWith('begin packs/')).map((entry) => entry.slice(6));
  assert.ok(packs.length >= 3, 'two packs of chunks at least, and one of nodes');
  const manifest = manifestName(DATASET, 1);
  assert.equal(at(`end ${sessionOpenName(session.id)}`), 1, 'the session is open before anything else');
  const keyStored = at(`end ${dataKeyName(session.dataKey.id)}`);
  for (const pack of packs) {
    const segment = `index/${pack.slice(pack.lastIndexOf('/') + 1)}`;
    assert.ok(keyStored < at(`begin ${pack}`));
    assert.ok(at(`end ${pack}`) < at(`begin ${segment}`));
    assert.ok(at(`end ${segment}`) < at(`begin ${manifest}`));
  }
  assert.ok(at(`end ${manifest}`) < at(`begin ${sessionEndName(session.id)}`));
  assert.equal(log.at(-1), `end ${sessionEndName(session.id)}`);
  assert.equal(endOf(store.objects, session.id).state, SESSION_COMMITTED);
});

test('a session that fails at any put commits nothing, and the next one does', async () => {
  for (let failAt = 1; ; failAt++) {
    const { store, repository } = await makeRepository();
    await repository.endpoint('host');
    store.puts = 0;
    store.failAt = failAt;
    const run = async () => {
      const session = await openSession(repository);
      addChunk(repository, session, noise(1000, 1));
      await session.room();
      return commitEmpty(repository, session);
    };
    const result = await run().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (result === undefined) {
      assert.ok(failAt > 6);
      break;
    }
    assert.equal((result as { code: string }).code, 'io', String(result));
    const fresh = await Repository.open(store, [KEY]);
    assert.deepEqual(await fresh.images(() => assert.fail('nothing is damaged')), []);
    await backUpEmpty(fresh);
    assert.equal((await fresh.images(() => assert.fail('nothing is damaged'))).length, 1);
  }
});

test('two sessions of one dataset that commit at once follow each other in the chain', async () => {
  const { repository } = await makeRepository();
  await repository.endpoint('host');
  const sessions = await Promise.all([1, 2, 3, 4].map(() => openSession(repository)));
  const committed = await Promise.all(sessions.map((session) => commitEmpty(repository, session)));
  const inOrder = committed.toSorted((a, b) => a.sequence - b.sequence);
  assert.deepEqual(
    inOrder.map(({ sequence }) => sequence),
    [1, 2, 3, 4],
  );
  for (let i = 1; i < 4; i++) assert.deepEqual(inOrder[i].previous, inOrder[i - 1].id);
  assert.equal((await repository.images(() => assert.fail())).length, 4);
});

test('a number that is taken and yet not listed ends in an error, not in a loop', async () => {
  const { store, repository } = await makeRepository();
  await backUpEmpty(repository);
  const list = store.list.bind(store);
  store.list = async function* (prefix) {
    for await (const object of list(prefix)) if (!object.name.startsWith('manifests/')) yield object;
  };
  await assert.rejects(backUpEmpty(repository), { code: 'object-exists' });
});

test('a session that someone else ended does not commit', async () => {
  const { store, repository } = await makeRepository();
  const session = await openSession(repository);
  const end = sessionEndRecord.encode(
    {
      session: session.id,
      state: SESSION_EXPIRED,
      ended: 0,
      dataset: DATASET,
      sequence: 0,
      image: Buffer.alloc(32),
    },
    digest,
  );
  await store.putIfAbsent(sessionEndName(session.id), [end]);
  await assert.rejects(commitEmpty(repository, session), { code: 'session-expired' });
  assert.deepEqual(await repository.images(() => assert.fail()), []);
  // Ended without an image: just what an abort is for.
  await session.abort({ keep: false });
  assert.equal(endOf(store.objects, session.id).state, SESSION_EXPIRED);
  // The chain goes on behind the manifest that does not count.
  assert.equal((await backUpEmpty(repository)).sequence, 2);
});

test('an aborted session leaves no image; what it keeps serves the next', async () => {
  const { store, repository } = await makeRepository();
  for (const keep of [true, false]) {
    const session = await openSession(repository);
    const id = addChunk(repository, session, noise(1000, keep ? 1 : 2));
    await session.abort({ keep });
    assert.equal(endOf(store.objects, session.id).state, SESSION_EXPIRED);
    assert.equal((await Repository.open(store, [KEY])).index.has(id), keep);
  }
  assert.deepEqual(await repository.images(() => assert.fail()), []);
});

test('an abort ends the session even when what was to be kept cannot be stored', async () => {
  const { store, repository } = await makeRepository();
  const session = await openSession(repository);
  addChunk(repository, session, noise(1000, 1));
  store.failAt = store.puts + 2;
  await assert.rejects(session.abort({ keep: true }), { code: 'io' });
  assert.equal(endOf(store.objects, session.id).state, SESSION_EXPIRED);
});

test('a store that deletes nothing keeps no image from being committed', async () => {
  const { store, repository } = await makeRepository();
  store.delete = () => Promise.reject(new Error('nothing is ever deleted here'));
  await backUpEmpty(repository);
  assert.equal((await repository.images(() => assert.fail())).length, 1);
});

test('a frame is known from the moment it is added, and stored once', async () => {
  const { repository } = await makeRepository();
  const session = await openSession(repository);
  const id = addChunk(repository, session, noise(1000, 1));
  assert.equal(session.has(id), true);
  assert.equal(repository.index.has(id), false);
  const node = { kind: FrameKind.contentNode, plain: noise(50, 2), chunks: [], nodes: [] };
  const nodeId = session.addNode(node);
  assert.deepEqual(session.addNode(node), nodeId);
  assert.equal(session.nodesAdded, 1);
  assert.equal(session.nodeBytes, 50);
  await session.flush();
  for (const stored of [id, nodeId]) {
    assert.equal(session.has(stored), true);
    assert.equal(repository.index.has(stored), true);
  }
  assert.ok(session.bytesStored > 1050);
  await session.abort({ keep: false });
});

test('a dry run puts nothing, and leaves no trace in what the repository knows', async () => {
  const { store, repository } = await makeRepository();
  const before = [...store.objects.keys()];
  const session = await WriteSession.open(dryRunOf(repository), DATASET, {
    compression: 'fastest',
    clock: systemClock,
  });
  const id = addChunk(repository, session, noise(PACK_BYTES_TARGET / 16, 1));
  await session.flush();
  assert.equal(session.has(id), true, 'it is counted once only');
  assert.equal(repository.index.has(id), false, 'a session after it would refer to what does not exist');
  await session.abort({ keep: false });
  assert.deepEqual([...store.objects.keys()], before);
});
