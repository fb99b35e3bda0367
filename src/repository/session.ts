import { randomBytes } from 'node:crypto';
import {
  type ByteString,
  bufferOf,
  type Clock,
  EverfullError,
  equalBytes,
  hexOf,
  isEverfullError,
} from '../base/mod.ts';
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
  RECORD_BYTES_MAX,
  SESSION_COMMITTED,
  SESSION_EXPIRED,
  SESSION_ID_BYTES,
  sessionEndRecord,
  sessionOpenRecord,
  type TablePack,
} from '../format/mod.ts';
import type { DamagedFrames } from './damaged.ts';
import { checkImageExists } from './existence.ts';
import { startBeat } from './heartbeat.ts';
import { sealManifestBody } from './manifest-body.ts';
import { dataKeyName, manifestName, sessionEndName, sessionOpenName } from './names.ts';
import { exists } from './opening.ts';
import { PackWriter } from './pack-writer.ts';
import type { KnownFrames, Manifest, SessionHost } from './session-host.ts';

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
  /** When it counts as committed, ms since 1970, where it stands for another image: when that was; else now. */
  readonly committed?: number | undefined;
}

export interface SessionOptions {
  readonly compression: CompressionMode;
  readonly clock: Clock;
  /** The image that the session builds on: it stays as long as the session lives. */
  readonly base?: Manifest | undefined;
}

/**
 * One writer's work from its first frame to its image. Until the end record says `committed` nothing
 * of it counts; what it stored can serve the next session all the same.
 *
 * Order of durability: data key, packs each followed by its index segment, manifest, end record.
 */
export class WriteSession {
  readonly id: Buffer;
  readonly dataKey: DataKey = createDataKey();
  readonly #repository: SessionHost;
  readonly #dataset: Uint8Array;
  readonly #sealer: Sealer;
  readonly #compression: CompressionMode;
  readonly #clock: Clock;
  readonly #chunks: PackWriter;
  readonly #nodes: PackWriter;
  readonly #known: KnownFrames;
  /** Frames that are known to be damaged, where they lie. As long as there are any, no subtree of a base may be taken over unopened. */
  readonly damaged: DamagedFrames;
  /** Ids stored by this session that the chunk index does not have yet. */
  readonly #fresh = new Set<string>();
  #avoided: ReadonlySet<ByteString> = new Set();
  #dataKeyStored: Promise<void> | undefined;
  readonly #stopBeat: () => Promise<void>;
  #nodeBytes = 0;
  #nodesAdded = 0;

  private constructor(
    repository: SessionHost,
    id: Buffer,
    dataset: Uint8Array,
    { compression, clock }: SessionOptions,
    { frames, damaged }: Awaited<ReturnType<SessionHost['reusable']>>,
    stopBeat: () => Promise<void>,
  ) {
    this.#repository = repository;
    this.id = id;
    this.#dataset = dataset;
    this.#compression = compression;
    this.#clock = clock;
    this.#known = frames;
    this.damaged = damaged;
    this.#stopBeat = stopBeat;
    this.#sealer = new Sealer(this.dataKey.key, this.dataKey.id);
    const { store, secrets } = repository;
    const ready = () => this.#storeDataKey();
    const stored = (pack: TablePack, rows: readonly PackRow[]) => {
      frames.addPack(pack, rows);
      for (const { id } of rows) this.#fresh.delete(bufferOf(id).toString('latin1'));
    };
    this.#chunks = new PackWriter(store, secrets.secretsId, ready, stored);
    this.#nodes = new PackWriter(store, secrets.secretsId, ready, stored);
  }

  /**
   * Opens a session. Rejects with 'image-missing' where the base was forgotten.
   *
   * The order matters to collection (docs/decisions/0024-collection.md): first the session is there for
   * all to see, then it learns what is condemned, then which packs there are; then that its base exists.
   */
  static async open(
    repository: SessionHost,
    dataset: Uint8Array,
    options: SessionOptions,
  ): Promise<WriteSession> {
    const { store } = repository;
    const { base, clock } = options;
    const id = randomBytes(SESSION_ID_BYTES);
    const opened = sessionOpenRecord.encode(
      {
        session: id,
        dataset,
        opened: clock.now(),
        base: base?.header.session ?? Buffer.alloc(SESSION_ID_BYTES),
        baseRoot: base?.header.indexRoot ?? Buffer.alloc(ID_BYTES),
      },
      digest,
    );
    await store.putIfAbsent(sessionOpenName(id), [opened]);
    const stopBeat = startBeat(store, id, clock);
    try {
      const reusable = await repository.reusable();
      if (base !== undefined) await checkImageExists(store, base.header.session);
      return new WriteSession(repository, id, dataset, options, reusable, stopBeat);
    } catch (error) {
      const ended = endRecord(id, SESSION_EXPIRED, clock.now(), dataset, 0, Buffer.alloc(ID_BYTES));
      await store.putIfAbsent(sessionEndName(id), [ended]).catch(() => {});
      await stopBeat();
      throw error;
    }
  }

  /** Once, and before the first frame. */
  #storeDataKey(): Promise<void> {
    this.#dataKeyStored ??= this.#repository.store.putIfAbsent(dataKeyName(this.dataKey.id), [
      wrapDataKey(this.#repository.keyring.wrappingKey, this.dataKey),
    ]);
    return this.#dataKeyStored;
  }

  /** From now on `has` says of these chunks, given as byte strings, that they are not there: they are to go. */
  avoid(chunks: ReadonlySet<ByteString>): void {
    this.#avoided = chunks;
  }

  /** Whether the repository, or this session, has the chunk or node, and it may be built on. */
  has(id: Uint8Array): boolean {
    if (this.#avoided.size > 0 && this.#avoided.has(bufferOf(id).toString('latin1'))) return false;
    return this.#known.has(id) || this.#fresh.has(bufferOf(id).toString('latin1'));
  }

  /** Takes a frame that a worker made; see {@link PackWriter.add}. */
  addChunk(id: Uint8Array, frame: Uint8Array, frameDigest: Uint8Array): void {
    this.#fresh.add(bufferOf(id).toString('latin1'));
    this.#chunks.add(frame, { id, kind: Kind.chunk, digest: frameDigest });
  }

  /** Takes the frame of a node as another session made it, whose data key the repository has. */
  addNodeFrame(kind: PlainNode['kind'], id: Uint8Array, frame: Uint8Array, frameDigest: Uint8Array): void {
    this.#fresh.add(bufferOf(id).toString('latin1'));
    this.#nodes.add(frame, { id, kind, digest: frameDigest });
    this.#nodesAdded++;
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
      await this.#end(SESSION_COMMITTED, committed.sequence, committed.id, image.committed);
      return committed;
    } finally {
      await this.#stopBeat();
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

  async #end(state: number, sequence: number, image: Uint8Array, ended = this.#clock.now()): Promise<void> {
    const { store } = this.#repository;
    const name = sessionEndName(this.id);
    const end = endRecord(this.id, state, ended, this.#dataset, sequence, image);
    // A collector that took this session for dead may have removed all of it long ago: then nothing is put that
    // would be left behind. Whether it counts is decided by the put, and by the look after it.
    if (!(await exists(store, sessionOpenName(this.id)))) {
      if (state === SESSION_EXPIRED) return;
      throw expired(this.id);
    }
    try {
      await store.putIfAbsent(name, [end]);
    } catch (error) {
      if (!isEverfullError(error, 'object-exists')) throw error;
      // A session without an image has ended then as it should.
      if (state === SESSION_EXPIRED) return;
      // A put whose answer was lost, and which was repeated, is no expiry.
      const found = sessionEndRecord.decode(await store.get(name, { limit: RECORD_BYTES_MAX }), digest);
      if (found.state !== SESSION_COMMITTED || !equalBytes(found.image, image)) throw expired(this.id, error);
    }
    // Of a session that expired a collector removes all: first this, so that what comes late counts for nothing.
    if (state === SESSION_COMMITTED && !(await exists(store, sessionOpenName(this.id)))) {
      // Without the other record it means nothing, and would be taken for damage.
      await store.delete(name).catch(() => {});
      throw expired(this.id);
    }
  }

  /** Ends the session without an image; what was stored stays for the next. */
  async abort(options: { readonly keep: boolean }): Promise<void> {
    try {
      if (options.keep) await this.flush();
    } finally {
      try {
        await this.#end(SESSION_EXPIRED, 0, Buffer.alloc(ID_BYTES));
      } finally {
        await this.#stopBeat();
      }
    }
  }
}

function endRecord(
  session: Uint8Array,
  state: number,
  ended: number,
  dataset: Uint8Array,
  sequence: number,
  image: Uint8Array,
): Buffer {
  return sessionEndRecord.encode({ session, state, ended, dataset, sequence, image }, digest);
}

function expired(session: Uint8Array, cause?: unknown): EverfullError {
  return new EverfullError(
    'session-expired',
    `Could not commit session ${hexOf(session)}: it was ended by a collector, since its heartbeat had stopped`,
    { cause, advice: 'Run the backup again: what was stored is used.' },
  );
}
