import { randomBytes } from 'node:crypto';
import { EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import { digest, readEndpoint, WrappingKey, wrapDataKey } from '../crypto/mod.ts';
import {
  ID_BYTES,
  manifestRecord,
  RECORD_BYTES_MAX,
  SESSION_ID_BYTES,
  Sealing,
  STREAM_ID_BYTES,
  type StreamRecord,
  type StreamSegment,
  StreamWriter,
} from '../format/mod.ts';
import { endpointName, type Image, manifestName, type Repository } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { pinned } from './pinned.ts';
import { indexRootOf, nodesOf, throwIfInterrupted } from './reading.ts';
import { BaseFrames, imageFrames } from './streaming/mod.ts';

export interface ExportOptions {
  /** The image that whoever imports has: what it has is left out. */
  readonly base?: Image | undefined;
  /** Takes the stream in order, piece by piece; a piece is valid until its promise settles. */
  write(bytes: Uint8Array): Promise<void>;
}

export interface ExportSummary {
  /** 64 hexadecimal digits. */
  readonly image: string;
  readonly base: string | undefined;
  /** Frames that were written. */
  readonly chunks: number;
  readonly nodes: number;
  /** References to the base. */
  readonly references: number;
  readonly segments: number;
  /** Of the stream. */
  readonly bytes: number;
}

/**
 * Writes an image as a reference stream (docs/format/stream.md), from which a repository with the same
 * secrets makes it again: whole, or as what the base has not. Frames travel as they are stored, each
 * authenticated first. Rejects with 'damaged' or 'object-missing' where the image is not whole; what was
 * written then has no end, and no reader takes it for an image.
 */
export async function exportImage(
  context: OperationContext,
  image: Image,
  { base, write }: ExportOptions,
): Promise<ExportSummary> {
  const { repository, signal } = context;
  await using _image = await pinned(context, image);
  await using _base = base && (await pinned(context, base));
  const sender = new Sender(repository, write);
  await sender.add({
    type: 'open',
    features: 0,
    secretsId: repository.secrets.secretsId,
    dataset: image.header.dataset,
    kind: image.header.kind,
    base: base?.id ?? Buffer.alloc(ID_BYTES),
    baseSession: base?.header.session ?? Buffer.alloc(SESSION_ID_BYTES),
    baseRoot: base?.header.indexRoot ?? Buffer.alloc(ID_BYTES),
  });
  const known = base && (await BaseFrames.of(nodesOf(repository), indexRootOf(base), indexRootOf(image)));
  const counts = { data: 0, node: 0, ref: 0 };
  let filesDone = 0;
  const sent = { root: indexRootOf(image), dataKeyId: image.header.dataKeyId };
  for await (const item of imageFrames(repository, sent, known)) {
    throwIfInterrupted(signal);
    if (item.type !== 'ref') {
      if (item.header.sealing !== Sealing.clear) await sender.addKey(item.header.dataKeyId);
      filesDone += item.entries;
    }
    await sender.add(item);
    counts[item.type]++;
    const filesTotal = base === undefined ? image.header.indexItems : undefined;
    context.progress({ filesDone, filesTotal, bytesDone: sender.bytes, errors: 0 });
  }
  await sender.addKey(image.header.dataKeyId);
  await sender.add({
    type: 'commit',
    committed: image.committed,
    ...(await signedManifest(repository, image)),
  });
  await sender.end();
  return {
    image: hexOf(image.id),
    base: base && hexOf(base.id),
    chunks: counts.data,
    nodes: counts.node,
    references: counts.ref,
    segments: sender.segments,
    bytes: sender.bytes,
  };
}

/** The manifest as it stands in the store, and the key that its signature is checked with. */
async function signedManifest(
  { store }: Repository,
  { id, header }: Image,
): Promise<{ manifest: Uint8Array; publicKey: Uint8Array }> {
  const limit = { limit: RECORD_BYTES_MAX };
  const name = manifestName(header.dataset, header.sequence);
  const manifest = await store.get(name, limit);
  if (!equalBytes(digest(manifestRecord.decode(manifest, digest).header), id))
    throw new EverfullError('forged', `Could not export ${name}: another manifest is in its place now`);
  const { publicKey } = readEndpoint(await store.get(endpointName(header.endpoint), limit));
  return { manifest, publicKey };
}

/** Writes records, and each data key before the first that needs it. */
class Sender {
  readonly #repository: Repository;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #writer = new StreamWriter(randomBytes(STREAM_ID_BYTES), digest);
  readonly #streamKey: WrappingKey;
  /** In hexadecimal. */
  readonly #keys = new Set<string>();
  bytes = 0;

  constructor(repository: Repository, write: (bytes: Uint8Array) => Promise<void>) {
    this.#repository = repository;
    this.#write = write;
    this.#streamKey = new WrappingKey(repository.secrets.streamKey);
  }

  get segments(): number {
    return this.#writer.segments;
  }

  async add(record: StreamRecord): Promise<void> {
    await this.#send(this.#writer.add(record));
  }

  async addKey(dataKeyId: Uint8Array): Promise<void> {
    const name = hexOf(dataKeyId);
    if (this.#keys.has(name)) return;
    this.#keys.add(name);
    const dataKey = await this.#repository.dataKey(dataKeyId);
    if (dataKey === undefined)
      throw new EverfullError('damaged', `Could not export the image: its data key ${name} is missing`);
    await this.add({ type: 'key', object: wrapDataKey(this.#streamKey, dataKey) });
  }

  /** The end is in a segment of its own, and proves all before it. */
  async end(): Promise<void> {
    await this.#send(this.#writer.cut());
    const proof = this.#repository.secrets.streamProof(this.#writer.previous);
    await this.add({ type: 'end', proof });
    await this.#send(this.#writer.cut());
  }

  async #send(segment: StreamSegment | undefined): Promise<void> {
    if (segment === undefined) return;
    for (const bytes of [segment.head, segment.records]) {
      await this.#write(bytes);
      this.bytes += bytes.length;
    }
  }
}
