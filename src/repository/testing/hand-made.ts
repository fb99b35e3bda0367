import { type ByteString, type Clock, systemClock } from '../../base/mod.ts';
import { encodeFrame } from '../../chunk/mod.ts';
import { type Credential, digest, Sealer, SlotKind } from '../../crypto/mod.ts';
import { FrameKind, IMAGE_KIND_FILES, type ManifestBody, NodeWriter } from '../../format/mod.ts';
import { Repository } from '../repository.ts';
import type { WriteSession } from '../session.ts';
import { WatchedStore } from './watched-store.ts';

export const KEY: Credential = { kind: SlotKind.keyFile, secret: Buffer.alloc(32, 7) };
export const OTHER_KEY: Credential = { kind: SlotKind.keyFile, secret: Buffer.alloc(32, 8) };
export const DATASET = Buffer.alloc(16, 1);

/** A repository in memory with one key slot. */
export async function makeRepository(): Promise<{ store: WatchedStore; repository: Repository }> {
  const store = new WatchedStore();
  const repository = await Repository.create(store, [{ credential: KEY, label: 'test' }], {
    clock: systemClock,
  });
  return { store, repository };
}

export function openSession(
  repository: Repository,
  dataset: Uint8Array = DATASET,
  clock: Clock = systemClock,
): Promise<WriteSession> {
  return repository.openSession(dataset, { compression: 'fastest', clock });
}

/** Stores a chunk. Its id. */
export function addChunk(repository: Repository, session: WriteSession, plain: Uint8Array): Buffer {
  const { secrets } = repository;
  const id = secrets.chunkId(plain);
  const sealer = new Sealer(session.dataKey.key, session.dataKey.id);
  const frame = encodeFrame(
    { kind: FrameKind.chunk, id, plain, chunks: [], nodes: [] },
    sealer,
    secrets.secretsId,
    'off',
  );
  session.addChunk(id, frame, digest(frame));
  return id;
}

/** Commits an image of an empty tree. */
export async function commitEmpty(
  repository: Repository,
  session: WriteSession,
  { host = 'host', body = {} }: { host?: ByteString; body?: Partial<ManifestBody> } = {},
) {
  const writer = new NodeWriter();
  writer.begin(0);
  const root = session.addNode({
    kind: FrameKind.indexNode,
    plain: writer.finish(),
    chunks: [],
    nodes: [],
  });
  return session.commit({
    endpoint: await repository.endpoint(host),
    kind: IMAGE_KIND_FILES,
    root: { root, level: 0, items: 0, length: 0 },
    body: { ...EMPTY_BODY, ...body },
  });
}

export async function backUpEmpty(repository: Repository, body: Partial<ManifestBody> = {}, host = 'host') {
  return commitEmpty(repository, await openSession(repository), { body, host });
}

/** A manifest body that says nothing. */
export const EMPTY_BODY: ManifestBody = {
  host: 'host',
  user: '',
  name: '',
  paths: [],
  tags: [],
  excludes: [],
  time: 0,
  started: 0,
  ended: 0,
  program: '',
  base: Buffer.alloc(32),
  original: Buffer.alloc(32),
  filesNew: 0,
  filesChanged: 0,
  filesUnmodified: 0,
  foldersNew: 0,
  foldersChanged: 0,
  foldersUnmodified: 0,
  bytesProcessed: 0,
  filesProcessed: 0,
  bytesAdded: 0,
  bytesAddedStored: 0,
  warningCount: 0,
  warnings: [],
};
