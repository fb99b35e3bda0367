import { type ByteString, type Clock, EverfullError, threadCount } from '../base/mod.ts';
import { ChunkPipeline, type CompressionMode } from '../chunk/mod.ts';
import { ENTRY_ANCESTOR, type Entry, EntryType, encodeEntry, FrameKind, pathKeyOf } from '../format/mod.ts';
import { TreeBuilder, type TreeRoot } from '../image/mod.ts';
import type { Repository, WriteSession } from '../repository/mod.ts';
import type { StoredCounts } from './chunk-group.ts';
import { ContentDraft } from './content-draft.ts';
import { DataCutter } from './data-cutter.ts';
import { longFingerprintOf } from './long-file.ts';

export interface StreamOptions {
  readonly repository: Repository;
  readonly session: WriteSession;
  /** Absolute: where the file stands in the image. */
  readonly filename: ByteString;
  readonly stream: AsyncIterable<Uint8Array>;
  readonly uid: number;
  readonly gid: number;
  readonly compression: CompressionMode;
  readonly threads?: number | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  read(bytes: number): void;
}

/** Stores a stream of bytes as the one file of an image, and the folders on the way to it. */
export async function captureStream(
  options: StreamOptions,
): Promise<{ root: TreeRoot; counts: StoredCounts; length: number }> {
  const { repository, session, signal } = options;
  const pipeline = new ChunkPipeline(
    {
      domainSecret: repository.keyring.domainSecret,
      dataKey: session.dataKey.key,
      dataKeyId: session.dataKey.id,
      compression: options.compression,
    },
    { threads: options.threads ?? threadCount() },
  );
  const counts: StoredCounts = { bytesAdded: 0, bytesAddedStored: 0, chunksAdded: 0 };
  const cutter = new DataCutter({ pipeline, session, secrets: repository.secrets, counts });
  try {
    for await (const bytes of options.stream) {
      if (signal.aborted)
        throw new EverfullError('interrupted', 'The backup was interrupted', { advice: 'Run it again.' });
      await cutter.add(bytes);
      options.read(bytes.length);
    }
    const shortFingerprint = await cutter.finish();
    const draft = new ContentDraft();
    for (const { id, length } of cutter.chunks) draft.data(length, { id }, 0);
    const boundarySeed = repository.secrets.boundaryKey.readUInt32LE(0);
    const content = await draft.finish(
      boundarySeed,
      (node) => session.addNode(node),
      () => Promise.reject(new Error('every chunk of a stream has its id')),
    );
    const ids = cutter.chunks.map(({ id }) => id);
    const fingerprint = shortFingerprint ?? longFingerprintOf(repository.secrets, ids, []);
    const builder = new TreeBuilder(FrameKind.indexNode, boundarySeed, (node) => session.addNode(node));
    for (const entry of entriesOf(options, { fingerprint, content }))
      builder.addEntry(entry.key, encodeEntry(entry.entry), entry.entry.content);
    return { root: builder.finish(), counts, length: draft.length };
  } finally {
    await pipeline.close();
  }
}

/** The file and the folders on the way to it, in key order. */
function entriesOf(
  { filename, uid, gid, clock }: StreamOptions,
  file: Pick<Entry, 'fingerprint' | 'content'>,
): { key: ByteString; entry: Entry }[] {
  const now = clock.now();
  const plain = {
    uid,
    gid,
    xattrs: [],
    inodeFlags: 0,
    linkGroup: undefined,
    fingerprint: undefined,
    content: undefined,
    target: undefined,
    deviceMajor: 0,
    deviceMinor: 0,
  };
  const folder: Entry = {
    ...plain,
    type: EntryType.folder,
    flags: ENTRY_ANCESTOR,
    mode: 0o755,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
  };
  const names = filename.split('/').slice(1);
  const folders = names.map((_, i) => ({
    key: pathKeyOf(i === 0 ? '/' : `/${names.slice(0, i).join('/')}`),
    entry: folder,
  }));
  const mtimeSeconds = Math.floor(now / 1000);
  return [
    ...folders,
    {
      key: pathKeyOf(filename),
      entry: {
        ...plain,
        ...file,
        type: EntryType.file,
        flags: 0,
        mode: 0o644,
        mtimeSeconds,
        mtimeNanoseconds: (now % 1000) * 1e6,
      },
    },
  ];
}
