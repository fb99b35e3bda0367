/**
 * `fill-repository STORE CHUNKS`: two images with so many short chunks between them, by the same code as a
 * backup but without files to read: half of the chunks are of the first image alone. The password is that
 * of the benchmark.
 */
import { randomFillSync } from 'node:crypto';
import { byteStringFromText, systemClock } from '../src/base/mod.ts';
import { encodeFrame } from '../src/chunk/mod.ts';
import { digest, Sealer, SlotKind } from '../src/crypto/mod.ts';
import { EntryType, encodeEntry, FrameKind, IMAGE_KIND_FILES, pathKeyOf } from '../src/format/mod.ts';
import { TreeBuilder } from '../src/image/mod.ts';
import { Repository } from '../src/repository/mod.ts';
import { EMPTY_BODY } from '../src/repository/testing/hand-made.ts';
import { openFolderStore } from '../src/store/mod.ts';

const CHUNK_BYTES = 512;
const ENTRY = {
  type: EntryType.file,
  flags: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 1_700_000_000,
  mtimeNanoseconds: 0,
  xattrs: [],
  inodeFlags: 0,
  linkGroup: undefined,
  fingerprint: undefined,
  content: undefined,
  target: undefined,
  deviceMajor: 0,
  deviceMinor: 0,
} as const;
const FILES_PER_FOLDER = 1000;

const [store, count] = process.argv.slice(2);
const secret = Buffer.from(process.env.EVERFULL_PASSWORD ?? '');
const repository = await Repository.open(await openFolderStore(byteStringFromText(store!)), [
  { kind: SlotKind.passphrase, secret },
]);
for (let image = 0; image < 2; image++) await addImage(Number(count) / 2);
await repository.close();

async function addImage(chunks: number): Promise<void> {
  const { secrets } = repository;
  const dataset = secrets.datasetId(['benchmark', 'paths', '/']);
  const session = await repository.openSession(dataset, { compression: 'off', clock: systemClock });
  const sealer = new Sealer(session.dataKey.key, session.dataKey.id);
  const builder = new TreeBuilder(FrameKind.indexNode, secrets.boundaryKey.readUInt32LE(0), (node) =>
    session.addNode(node),
  );
  const plain = Buffer.alloc(CHUNK_BYTES);
  const folder = { ...ENTRY, type: EntryType.folder, mode: 0o755 };
  builder.addEntry(pathKeyOf('/'), encodeEntry(folder), undefined);
  const paths = Array.from({ length: chunks }, (_, i) => `/d${Math.floor(i / FILES_PER_FOLDER)}/f${i}`);
  const folders = Array.from({ length: Math.ceil(chunks / FILES_PER_FOLDER) }, (_, i) => `/d${i}`);
  const keys = [
    ...folders.map((path) => [pathKeyOf(path), true] as const),
    ...paths.map((path) => [pathKeyOf(path), false] as const),
  ];
  keys.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, isFolder] of keys) {
    if (isFolder) {
      builder.addEntry(key, encodeEntry(folder), undefined);
      continue;
    }
    randomFillSync(plain);
    const id = secrets.chunkId(plain);
    const parts = { kind: FrameKind.chunk, id, plain, chunks: [], nodes: [] };
    const frame = encodeFrame(parts, sealer, secrets.secretsId, 'off');
    session.addChunk(id, frame, digest(frame));
    const content = { pieces: [{ length: CHUNK_BYTES, chunk: id, offset: 0 }] };
    builder.addEntry(key, encodeEntry({ ...ENTRY, content, fingerprint: id }), content);
    await session.room();
  }
  const now = Date.now();
  await session.commit({
    endpoint: await repository.endpoint('benchmark'),
    kind: IMAGE_KIND_FILES,
    root: builder.finish(),
    body: { ...EMPTY_BODY, host: 'benchmark', paths: ['/'], time: now, started: now, ended: now },
  });
}
