import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EverfullError, hexOf } from '../base/mod.ts';
import { type Credential, createKeyFileSecret, digest, SlotKind } from '../crypto/mod.ts';
import { dataKeyRecord } from '../format/mod.ts';
import { DATA_KEY_PREFIX, FORMER_KEY_PREFIX, Repository, SLOT_PREFIX } from '../repository/mod.ts';
import { MemoryStore, type ObjectStore } from '../store/mod.ts';
import { check } from './check.ts';
import { listKeys } from './keys.ts';
import { readerOf } from './reading.ts';
import { rotate } from './rotate-keys.ts';
import { all, SmallRepository } from './testing/small-repository.ts';

function keyFile(): Credential {
  return { kind: SlotKind.keyFile, secret: createKeyFileSecret() };
}

interface Scene {
  readonly small: SmallRepository;
  readonly kept: Credential;
  /** Another key of the repository. */
  readonly other: Credential;
  /** What the images hold, by id. */
  readonly contents: Readonly<Record<string, string>>;
}

/** Two images of two sessions, and two keys. */
async function sceneOf(): Promise<Scene> {
  const small = await SmallRepository.create();
  const other = keyFile();
  await small.repository.addSlot(other, 'other', { clock: small.clock });
  const contents: Record<string, string> = {};
  for (const text of ['first', 'second'])
    contents[hexOf((await small.commit({ '/a/file': text })).id)] = text;
  return { small, kept: small.credential, other, contents };
}

function contextOf({ small }: Scene, repository: Repository) {
  return { ...small.context(), repository };
}

async function contentsOf(repository: Repository): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  const images = await repository.images(({ error }) => {
    throw error;
  });
  for (const image of images) {
    const reader = readerOf(repository, image);
    const entry = await reader.lookUp('/a/file');
    contents[hexOf(image.id)] = Buffer.concat(await all(reader.readRange(entry!.content!))).toString();
  }
  return contents;
}

async function assertWhole(scene: Scene, store: ObjectStore, credential: Credential): Promise<Repository> {
  const repository = await Repository.open(store, [credential]);
  assert.deepEqual(await contentsOf(repository), scene.contents);
  const { findings } = await check(contextOf(scene, repository), { readData: true });
  assert.deepEqual(
    findings.filter(({ kind }) => kind === 'error').map(({ error }) => error.message),
    [],
  );
  return repository;
}

async function rotateWith(
  scene: Scene,
  store: ObjectStore,
  credentials: readonly Credential[],
  also: Credential[] = [],
) {
  const repository = await Repository.open(store, credentials);
  return rotate(contextOf(scene, repository), { credentials, also, dropOthers: true });
}

function wrappingKeysOfDataKeys(store: MemoryStore): Set<string> {
  const ids = new Set<string>();
  for (const [name, bytes] of store.objects)
    if (name.startsWith(DATA_KEY_PREFIX))
      ids.add(hexOf(dataKeyRecord.decode(bytes, digest).header.wrappingKeyId));
  return ids;
}

test('after a rotation the keys that were kept open everything, and the others nothing', async () => {
  const scene = await sceneOf();
  const { store } = scene.small;
  const former = scene.small.repository.keys.current.id;
  const { kept, removed, rewrapped } = await rotateWith(scene, store, [scene.kept]);
  assert.deepEqual(
    kept.map(({ before }) => before.description?.label),
    ['test'],
  );
  assert.equal(removed.length, 1);
  assert.equal(rewrapped, 3, 'two data keys and an endpoint');
  const repository = await assertWhole(scene, store, scene.kept);
  assert.notDeepEqual(repository.keys.current.id, former);
  assert.deepEqual([...wrappingKeysOfDataKeys(store)], [hexOf(repository.keys.current.id)]);
  await assert.rejects(Repository.open(store, [scene.other]), { code: 'wrong-password' });
  assert.deepEqual(
    (await listKeys(store, [scene.kept])).map(({ id, current }) => [id, current]),
    [[kept[0]!.id, true]],
  );
});

test('a rotation keeps every key whose secret is given, and its label', async () => {
  const scene = await sceneOf();
  const { store } = scene.small;
  const { removed } = await rotateWith(scene, store, [scene.kept], [scene.other]);
  assert.deepEqual(removed, []);
  await assertWhole(scene, store, scene.kept);
  await assertWhole(scene, store, scene.other);
  const labels = (await listKeys(store, [scene.kept])).map(({ description }) => description!.label);
  assert.deepEqual(labels.sort(), ['other', 'test']);
});

test('a rotation that would remove keys, or is given a secret that opens none, changes nothing', async () => {
  const scene = await sceneOf();
  const { store } = scene.small;
  const before = [...store.objects.keys()];
  const context = contextOf(scene, await Repository.open(store, [scene.kept]));
  const credentials = [scene.kept];
  await assert.rejects(rotate(context, { credentials, also: [], dropOthers: false }), {
    code: 'usage',
    message: /would be removed: [0-9a-f]{16} \("other"\)$/,
  });
  await assert.rejects(rotate(context, { credentials, also: [keyFile()], dropOthers: true }), {
    code: 'usage',
  });
  assert.deepEqual([...store.objects.keys()], before);
});

test('rotations follow one another, and each seals everything anew', async () => {
  const scene = await sceneOf();
  const { store } = scene.small;
  for (let i = 0; i < 3; i++) {
    const { rewrapped } = await rotateWith(scene, store, [scene.kept]);
    assert.equal(rewrapped, 3);
    await assertWhole(scene, store, scene.kept);
  }
  const former = [...store.objects.keys()].filter((name) => name.startsWith(FORMER_KEY_PREFIX));
  assert.equal(former.length, 3);
});

test('what a session that was open during two rotations stores can be read, and is sealed anew by the next', async () => {
  const scene = await sceneOf();
  const { small } = scene;
  const session = await small.openSession();
  const root = small.addTree(session, { '/a/file': 'third' });
  const endpoint = await small.repository.endpoint('host');
  await rotateWith(scene, small.store, [scene.kept]);
  await rotateWith(scene, small.store, [scene.kept]);
  const { body } = (await (await Repository.open(small.store, [scene.kept])).images(() => {}))[0]!;
  const { id } = await session.commit({ endpoint, kind: 0, root, body: { ...body, time: body.time + 10 } });
  const contents = { ...scene.contents, [hexOf(id)]: 'third' };
  await assertWhole({ ...scene, contents }, small.store, scene.kept);
  assert.equal(wrappingKeysOfDataKeys(small.store).size, 2);
  assert.equal((await rotateWith(scene, small.store, [scene.kept])).rewrapped, 4);
  assert.equal(wrappingKeysOfDataKeys(small.store).size, 1);
});

test('who opened the repository before a rotation is told so, and adds no key', async () => {
  const scene = await sceneOf();
  const { small } = scene;
  const before = await Repository.open(small.store, [scene.kept]);
  await rotateWith(scene, small.store, [scene.kept]);
  const slots = () => [...small.store.objects.keys()].filter((name) => name.startsWith(SLOT_PREFIX));
  const there = slots();
  await assert.rejects(contentsOf(before), { code: 'keys-rotated' });
  await assert.rejects(before.addSlot(keyFile(), 'late', { clock: small.clock }), { code: 'keys-rotated' });
  await assert.rejects(
    rotate(contextOf(scene, before), { credentials: [scene.kept], also: [], dropOthers: true }),
    { code: 'keys-rotated' },
  );
  assert.deepEqual(slots(), there);
});

test('of two rotations at once one takes effect, and leaves no key of the other', async () => {
  const scene = await sceneOf();
  const { store } = scene.small;
  const results = await Promise.allSettled([
    rotateWith(scene, store, [scene.kept]),
    rotateWith(scene, store, [scene.other]),
  ]);
  const [winner] = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []));
  const [failure] = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
  assert.equal(failure, 'keys-rotated');
  const credentials = [scene.kept, scene.other];
  await assertWhole(scene, store, credentials[winner!]!);
  await assert.rejects(Repository.open(store, [credentials[1 - winner!]!]), { code: 'wrong-password' });
});

test('a rotation whose deciding put is answered as done before goes on', async () => {
  const scene = await sceneOf();
  const store = new DyingStore(scene.small.store.objects);
  const putIfAbsent = store.putIfAbsent.bind(store);
  store.putIfAbsent = async (name, parts) => {
    await putIfAbsent(name, parts);
    if (name.startsWith(FORMER_KEY_PREFIX))
      throw new EverfullError('object-exists', 'it was put by the first try');
  };
  await rotateWith(scene, store, [scene.kept]);
  await assertWhole(scene, store, scene.kept);
});

for (const hasEffect of [false, true]) {
  test(`a rotation that dies ${hasEffect ? 'after' : 'before'} the effect of any call leaves a repository that opens, and is finished by the next`, async (context) => {
    const scene = await sceneOf();
    let points = 0;
    for (let at = 1; ; at++) {
      const store = new DyingStore(scene.small.store.objects);
      store.diesAt = { call: at, hasEffect };
      const died = await rotateWith(scene, store, [scene.kept]).then(
        () => false,
        () => true,
      );
      store.diesAt = undefined;
      if (!died) break;
      points++;
      await assertWhole(scene, store, scene.kept);
      // The key that is to go opens all or nothing.
      await assertWhole(scene, store, scene.other).catch((error) => {
        assert.equal(error.code, 'wrong-password', `call ${at}: ${error.message}`);
      });
      await rotateWith(scene, store, [scene.kept]);
      const repository = await assertWhole(scene, store, scene.kept);
      await assert.rejects(Repository.open(store, [scene.other]), { code: 'wrong-password' });
      assert.deepEqual([...wrappingKeysOfDataKeys(store)], [hexOf(repository.keys.current.id)]);
    }
    context.diagnostic(`${points} points`);
    assert.ok(points >= 9);
  });
}

/** A store in memory whose process dies at a call that changes it: that and all later ones fail. */
class DyingStore extends MemoryStore {
  diesAt: { readonly call: number; readonly hasEffect: boolean } | undefined;
  #calls = 0;

  constructor(objects: ReadonlyMap<string, Uint8Array>) {
    super();
    for (const [name, bytes] of objects) this.objects.set(name, bytes);
  }

  override putIfAbsent(name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#unlessDead(() => super.putIfAbsent(name, parts));
  }

  override replace(name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#unlessDead(() => super.replace(name, parts));
  }

  override delete(name: string): Promise<void> {
    return this.#unlessDead(() => super.delete(name));
  }

  override async deleteDurably(names: readonly string[]): Promise<void> {
    for (const name of names) await this.delete(name);
  }

  async #unlessDead(work: () => Promise<void>): Promise<void> {
    if (this.diesAt === undefined) return work();
    this.#calls++;
    const { call, hasEffect } = this.diesAt;
    if (this.#calls === call && hasEffect) await work();
    if (this.#calls >= call) throw new EverfullError('io', 'the process is dead');
    await work();
  }
}
