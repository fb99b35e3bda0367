import assert from 'node:assert/strict';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { EverfullError, hexOf, systemClock } from '../../src/base/mod.ts';
import { type Credential, digest, SlotKind } from '../../src/crypto/mod.ts';
import { FrameKind, sessionBeatRecord } from '../../src/format/mod.ts';
import { TreeBuilder } from '../../src/image/mod.ts';
import { MANIFEST_PREFIX, Repository, sessionBeatName } from '../../src/repository/mod.ts';
import { MemoryStore } from '../../src/store/mod.ts';
import {
  backUp,
  contextOf,
  imagesOf,
  KEY,
  newRepository,
  proseOf,
  type Tree,
  treeOf,
} from '../testing/repository-fixture.ts';

export type Objects = ReadonlyMap<string, Uint8Array>;

/** What an image was made of. */
export interface Wanted {
  readonly id: string;
  /** The folder that was backed up. */
  readonly source: string;
  readonly tree: Tree;
}

/** The repository that is damaged, and what can be played back into it. */
export interface Subject {
  readonly objects: Objects;
  readonly images: readonly Wanted[];
  /** As it was two images ago. */
  readonly older: Objects;
  /** The older one, gone on in another way: its newest images bear the same numbers. */
  readonly forked: Objects;
  /** Another repository, with other secrets. */
  readonly foreign: Objects;
  /** Objects of sessions that made no image: nothing is lost with them. */
  readonly unused: ReadonlySet<string>;
  /** What this machine remembers of the images that it made. */
  readonly stateFolder: string;
}

const PASSPHRASE: Credential = { kind: SlotKind.passphrase, secret: Buffer.from('password') };
const CHEAP = { memoryKiB: 8 * 1024, passes: 1, parallelism: 1 };

export async function makeSubject(folder: string): Promise<Subject> {
  const source = join(folder, 'source');
  const stateFolder = join(folder, 'state');
  makeTree(source);
  const store = new MemoryStore();
  const repository = await newRepository(store);
  await repository.addSlot(PASSPHRASE, 'passphrase', { clock: systemClock, argon2: CHEAP });
  const images: Wanted[] = [];
  const commit = async (into: MemoryStore, path: string, host: string) => {
    // Caches are those of another process each time.
    const context = contextOf(await Repository.open(into, [KEY]), { stateFolder });
    const { imageId } = await backUp(context, [path], host);
    return { id: imageId!, source: path, tree: treeOf(path) };
  };
  images.push(await commit(store, source, 'host'));
  changeTree(source, 1);
  images.push(await commit(store, source, 'host'));
  const older = new Map(store.objects);
  changeTree(source, 2);
  const fork = storeOf(older);
  await backUp(contextOf(await Repository.open(fork, [KEY])), [source], 'host');
  changeTree(source, 3);
  images.push(await commit(store, source, 'host'));
  images.push(await commit(store, join(source, 'folder'), 'other'));
  const used = new Set(store.objects.keys());
  await leaveDeadSession(store, source);
  await leaveExpiredSession(store);
  const foreign = new MemoryStore();
  const stranger = await newRepository(foreign);
  await stranger.addSlot(PASSPHRASE, 'passphrase', { clock: systemClock, argon2: CHEAP });
  await backUp(contextOf(stranger), [source], 'host');
  const found = await imagesOf(await Repository.open(store, [KEY]));
  if (found.map(({ id }) => hexOf(id)).join() !== images.map(({ id }) => id).join())
    throw new Error('the images of the subject are not those that were made');
  return {
    objects: new Map(store.objects),
    images,
    older,
    forked: fork.objects,
    foreign: foreign.objects,
    unused: new Set([...store.objects.keys()].filter((name) => !used.has(name))),
    stateFolder,
  };
}

export function storeOf(objects: Objects): MemoryStore {
  const store = new MemoryStore();
  for (const [name, bytes] of objects) store.objects.set(name, bytes);
  return store;
}

function makeTree(source: string): void {
  mkdirSync(join(source, 'folder/deep'), { recursive: true });
  mkdirSync(join(source, 'empty folder'));
  for (let i = 0; i < 12; i++) writeFileSync(join(source, `small ${i}`), proseOf(i, 40 + i * 97));
  for (let i = 0; i < 6; i++) writeFileSync(join(source, 'folder', `${i}`), proseOf(100 + i, 3000));
  writeFileSync(join(source, 'folder/deep/none'), '');
  // Entries long enough for an index of several nodes.
  mkdirSync(join(source, 'links'));
  for (let i = 0; i < 60; i++) symlinkSync(`${i}`.repeat(150), join(source, 'links', `${i}`.repeat(100)));
  linkSync(join(source, 'small 2'), join(source, 'folder/second name'));
  writeIslands(join(source, 'islands'));
}

const ISLANDS = 24;

/** Data between holes: more pieces than an entry holds, so that they have a tree of their own. */
function writeIslands(path: string): void {
  const file = openSync(path, 'w');
  for (let i = 0; i < ISLANDS; i++) writeSync(file, proseOf(200 + i, 4096), 0, 4096, i * 8192);
  ftruncateSync(file, ISLANDS * 8192);
  closeSync(file);
}

function changeTree(source: string, round: number): void {
  for (let i = round; i < 12; i += 5)
    writeFileSync(join(source, `small ${i}`), proseOf(1000 * round + i, 500));
  writeFileSync(join(source, 'folder', `new ${round}`), proseOf(900 + round, 5000));
  const file = openSync(join(source, 'islands'), 'r+');
  writeSync(file, proseOf(500 + round, 4096), 0, 4096, 3 * 8192 * round);
  closeSync(file);
}

/** A backup that ends for no reason after its packs: no manifest, no end, a heartbeat. */
async function leaveDeadSession(store: MemoryStore, source: string): Promise<void> {
  const before = new Set(store.objects.keys());
  writeFileSync(join(source, 'never committed'), proseOf(77, 2000));
  const putIfAbsent = store.putIfAbsent.bind(store);
  store.putIfAbsent = async (name, parts) => {
    if (name.startsWith(MANIFEST_PREFIX)) throw new EverfullError('io', 'the disk is gone');
    await putIfAbsent(name, parts);
  };
  await assert.rejects(backUp(contextOf(await Repository.open(store, [KEY])), [source], 'host'), /gone/);
  store.putIfAbsent = putIfAbsent;
  const open = [...store.objects.keys()].find((name) => !before.has(name) && name.endsWith('.open'))!;
  const session = Buffer.from(open.slice(open.lastIndexOf('/') + 1, -'.open'.length), 'hex');
  store.objects.set(sessionBeatName(session), sessionBeatRecord.encode({ session, beat: 3 }, digest));
}

/** A session that gave up, and kept what it had. */
async function leaveExpiredSession(store: MemoryStore): Promise<void> {
  const repository = await Repository.open(store, [KEY]);
  const session = await repository.openSession(repository.secrets.datasetId(['given up']), {
    compression: 'auto',
    clock: systemClock,
  });
  const tree = new TreeBuilder(FrameKind.contentNode, 0, (node) => session.addNode(node));
  tree.addPiece({ length: 1000, chunk: undefined, offset: 0 });
  tree.finish();
  await session.abort({ keep: true });
}
