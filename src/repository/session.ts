import { randomBytes } from 'node:crypto';
import { bufferOf, type Clock, EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { type CompressionMode, encodeFrame, frameIdOf } from '../chunk/mod.ts';
import {
  createDataKey,
  type DataKey,
  digest,
  type Endpoint,
  Sealer,
  sign,
  wrapDataKey,
} from '../crypto/mod.ts';
import {
  type ChunkUse,
  encodeManifestBody,
  encodeManifestHeader,
  type FrameKind,
  ID_BYTES,
  FrameKind as Kind,
  type ManifestBody,
  type ManifestHeader,
  manifestRecord,
  manifestSignedBytes,
  type PackRow,
  SESSION_COMMITTED,
  SESSION_EXPIRED,
  SESSION_ID_BYTES,
  sessionBeatRecord,
  sessionEndRecord,
  sessionOpenRecord,
  type TablePack,
} from '../format/mod.ts';
import { sealManifestBody } from './manifest-body.ts';
import { dataKeyName, manifestName, sessionBeatName, sessionEndName, sessionOpenName } from './names.ts';
import { PackWriter } from './pack-writer.ts';
import type { SessionHost } from './session-host.ts';

/** A session whose heartbeat does not move for long counts as dead to a collector. */
const HEARTBEAT_MS = 30_000;

/** The plain parts of a node, as a tree builder gives them. */
export interface PlainNode {
  readonly kind: typeof Kind.indexNode | typeof Kind.contentNode;
  readonly plain: Uint8Array;
  readonly chunks: readonly ChunkUse[];
  readonly nodes: readonly Uint8Array[];
}

/** What a manifest says besides what the session knows itself. */
export interface ImageToCommit {
  readonly endpoint: Endpoint;
  readonly kind: number;
  readonly root: {
    readonly root: Uint8Array;
    readonly level: number;
    readonly items: number;
    readonly length: number;
  };
  readonly body: ManifestBody;
}

/**
 * One writer's work from its first frame to its image. Until the end record says `committed` nothing
 * of it counts; what it stored can serve the next session all the same.
 *
 * Order of durability: data key, packs each followed by its index segment, manifest, end record.
 */
export class WriteSession {
  readonly id = randomBytes(SESSION_ID_BYTES);
  readonly dataKey: DataKey = createDataKey();
  readonly #repository: SessionHost;
  readonly #dataset: Uint8Array;
  readonly #sealer: Sealer;
  readonly #compression: CompressionMode;
  readonly #clock: Clock;
  readonly #chunks: PackWriter;
  readonly #nodes: PackWriter;
  /** Ids stored by this session that the chunk index does not have yet. */
  readonly #fresh = new Set<string>();
  #dataKeyStored: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #beat = 0;
  #nodeBytes = 0;
  #nodesAdded = 0;

  private constructor(
    repository: SessionHost,
    dataset: Uint8Array,
    compression: CompressionMode,
    clock: Clock,
  ) {
    this.#repository = repository;
    this.#dataset = dataset;
    this.#compression = compression;
    this.#clock = clock;
    this.#sealer = new Sealer(this.dataKey.key, this.dataKey.id);
    const { store, index, secrets } = repository;
    const ready = () => this.#storeDataKey();
    const stored = (pack: TablePack, rows: readonly PackRow[]) => {
      index.addPack(pack, rows);
      for (const { id } of rows) this.#fresh.delete(bufferOf(id).toString('latin1'));
    };
    this.#chunks = new PackWriter(store, secrets.secretsId, ready, stored);
    this.#nodes = new PackWriter(store, secrets.secretsId, ready, stored);
  }

  static async open(
    repository: SessionHost,
    dataset: Uint8Array,
    options: { readonly compression: CompressionMode; readonly clock: Clock },
  ): Promise<WriteSession> {
    const session = new WriteSession(repository, dataset, options.compression, options.clock);
    const opened = sessionOpenRecord.encode(
      { session: session.id, dataset, opened: options.clock.now() },
      digest,
    );
    await repository.store.putIfAbsent(sessionOpenName(session.id), [opened]);
    session.#timer = setInterval(() => session.#sendBeat(), HEARTBEAT_MS).unref();
    return session;
  }

  /** A beat that fails is followed by the next; one that never comes makes the session expire, which the end record shows. */
  #sendBeat(): void {
    const beat = sessionBeatRecord.encode({ session: this.id, beat: ++this.#beat }, digest);
    this.#repository.store.replace(sessionBeatName(this.id), [beat]).catch(() => {});
  }

  /** Once, and before the first frame. */
  #storeDataKey(): Promise<void> {
    this.#dataKeyStored ??= this.#repository.store.putIfAbsent(dataKeyName(this.dataKey.id), [
      wrapDataKey(this.#repository.keyring.wrappingKey, this.dataKey),
    ]);
    return this.#dataKeyStored;
  }

  /** Whether the repository, or this session, has the chunk or node. */
  has(id: Uint8Array): boolean {
    return this.#repository.index.has(id) || this.#fresh.has(bufferOf(id).toString('latin1'));
  }

  /** Takes a frame that a worker made; see {@link PackWriter.add}. */
  addChunk(id: Uint8Array, frame: Uint8Array, frameDigest: Uint8Array): void {
    this.#fresh.add(bufferOf(id).toString('latin1'));
    this.#chunks.add(frame, { id, kind: Kind.chunk, digest: frameDigest });
  }

  /** Stores a node, unless it is there already. The id. */
  addNode(node: PlainNode): Uint8Array {
    const { secrets } = this.#repository;
    const id = frameIdOf(node.kind, node.plain, secrets);
    if (this.has(id)) return id;
    const frame = encodeFrame({ ...node, id }, this.#sealer, secrets.secretsId, this.#compression);
    this.#fresh.add(id.toString('latin1'));
    this.#nodes.add(frame, { id, kind: node.kind as FrameKind, digest: digest(frame) });
    this.#nodeBytes += node.plain.length;
    this.#nodesAdded++;
    return id;
  }

  /** Plain bytes of the nodes stored. */
  get nodeBytes(): number {
    return this.#nodeBytes;
  }

  get nodesAdded(): number {
    return this.#nodesAdded;
  }

  /** Bytes in the packs and segments stored so far. */
  get bytesStored(): number {
    return this.#chunks.bytesStored + this.#nodes.bytesStored;
  }

  /** Waits while too much is on its way to the store. */
  async room(): Promise<void> {
    await this.#chunks.room();
    await this.#nodes.room();
  }

  /** Makes everything durable that was added. */
  async flush(): Promise<void> {
    await this.#chunks.flush();
    await this.#nodes.flush();
  }

  /**
   * Signs the manifest, stores it and ends the session. The image exists when this resolves.
   * Rejects with 'session-expired' if a collector ended the session first.
   */
  async commit(image: ImageToCommit): Promise<{ id: Buffer; sequence: number; previous: Buffer }> {
    try {
      await this.flush();
      await this.#storeDataKey();
      const committed = await this.#putManifest(image);
      await this.#end(SESSION_COMMITTED, committed.sequence, committed.id);
      return committed;
    } finally {
      clearInterval(this.#timer);
    }
  }

  async #putManifest(image: ImageToCommit): Promise<{ id: Buffer; sequence: number; previous: Buffer }> {
    const { store, secrets } = this.#repository;
    for (let taken = 0; ; ) {
      const last = await this.#repository.chainEnd(this.#dataset);
      const sequence = (last?.sequence ?? 0) + 1;
      const previous = last?.id ?? Buffer.alloc(ID_BYTES);
      const { sealed, nonce } = sealManifestBody(
        encodeManifestBody(image.body),
        this.#sealer,
        secrets.secretsId,
        this.#dataset,
        sequence,
      );
      const header: ManifestHeader = {
        dataset: this.#dataset,
        sequence,
        previous,
        endpoint: image.endpoint.id,
        secretsId: secrets.secretsId,
        session: this.id,
        kind: image.kind,
        indexRoot: image.root.root,
        indexLevel: image.root.level,
        indexItems: image.root.items,
        indexLength: image.root.length,
        bodyDigest: digest(sealed),
        dataKeyId: this.dataKey.id,
        nonce,
      };
      const headerBytes = encodeManifestHeader(header);
      const signature = sign(image.endpoint, manifestSignedBytes(headerBytes));
      try {
        await store.putIfAbsent(manifestName(this.#dataset, sequence), [
          manifestRecord.encode({ header: headerBytes, signature, body: sealed }, digest),
        ]);
      } catch (error) {
        // Another backup of the dataset took the number: sign again behind it.
        if (!isEverfullError(error, 'object-exists') || sequence === taken) throw error;
        taken = sequence;
        continue;
      }
      return { id: digest(headerBytes), sequence, previous };
    }
  }

  async #end(state: number, sequence: number, image: Uint8Array): Promise<void> {
    clearInterval(this.#timer);
    const { store } = this.#repository;
    const end = sessionEndRecord.encode(
      { session: this.id, state, ended: this.#clock.now(), dataset: this.#dataset, sequence, image },
      digest,
    );
    try {
      await store.putIfAbsent(sessionEndName(this.id), [end]);
    } catch (error) {
      if (!isEverfullError(error, 'object-exists')) throw error;
      // A session without an image has ended then as it should.
      if (state === SESSION_EXPIRED) return;
      throw new EverfullError(
        'session-expired',
        `Could not commit session ${hexOf(this.id)}: it was ended by a collector, since its heartbeat had stopped`,
        {
          cause: error,
          advice: 'Run the backup again: what was stored is used.',
        },
      );
    }
    // An ended session needs no heartbeat, and a store that deletes nothing keeps none from ending.
    await store.delete(sessionBeatName(this.id)).catch(() => {});
  }

  /** Ends the session without an image; what was stored stays for the next. */
  async abort(options: { readonly keep: boolean }): Promise<void> {
    try {
      if (options.keep) await this.flush();
    } finally {
      await this.#end(SESSION_EXPIRED, 0, Buffer.alloc(ID_BYTES));
    }
  }
}
