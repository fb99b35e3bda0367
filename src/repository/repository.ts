import { randomBytes } from 'node:crypto';
import {
  type ByteString,
  bytesFromHex,
  type Clock,
  EverfullError,
  equalBytes,
  hexOf,
  isEverfullError,
} from '../base/mod.ts';
import { type OpenedFrame, openFrame } from '../chunk/mod.ts';
import {
  type Credential,
  createKeyring,
  type DataKey,
  DomainSecrets,
  digest,
  type Endpoint,
  type Keyring,
  makeEndpoint,
  Sealer,
  verify,
} from '../crypto/mod.ts';
import {
  ALL_DATASETS,
  type Config,
  decodeFrame,
  decodeManifestBody,
  decodeManifestHeader,
  type FrameKind,
  ID_BYTES,
  manifestRecord,
  manifestSignedBytes,
  RECORD_BYTES_MAX,
  SESSION_COMMITTED,
  Sealing,
  type SessionEnd,
  sessionEndRecord,
} from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { ChunkIndex, eachAtOnce } from './chunk-index.ts';
import { listPacks, packsOf, readCondemned } from './condemned.ts';
import { readDamaged } from './damaged.ts';
import { makeDurable } from './durable.ts';
import { imageExists } from './existence.ts';
import { FrameReader } from './frame-reader.ts';
import { openManifestBody } from './manifest-body.ts';
import {
  CONFIG,
  dataKeyName,
  endpointName,
  MANIFEST_PREFIX,
  manifestName,
  RETENTION_PREFIX,
  SESSION_PREFIX,
  sessionEndName,
  sessionOpenName,
} from './names.ts';
import {
  alreadyThere,
  exists,
  openKeyring,
  putKeysAndConfig,
  putSlot,
  readConfig,
  type SlotOptions,
} from './opening.ts';
import { isLoss } from './pack-reading.ts';
import { ReadSession } from './read-session.ts';
import type { RetentionState } from './retention.ts';
import { readRetention } from './retention-log.ts';
import { type SessionOptions, WriteSession } from './session.ts';
import type { ChainEnd, Manifest, SessionHost } from './session-host.ts';
import { WrappingKeys } from './wrapping-keys.ts';

/** A committed image. */
export interface Image extends Manifest {
  /** The repository's time of the commit, ms since 1970: it alone counts for retention. */
  readonly committed: number;
}

/** Something that should be readable and is not. */
export interface Damage {
  readonly object: string;
  readonly error: EverfullError;
}

/** An image of which nobody can tell what it holds. */
export interface UnreadableImage extends Damage {
  readonly session: Uint8Array;
  readonly dataset: Uint8Array;
}

/** By the name of its end record, the image of each session that has ended; undefined for a session without one. */
export type KnownImages = Map<string, Image | undefined>;

/** Whether it is told of as damage of one object, while the rest goes on. */
function isUnreadable(error: unknown): error is EverfullError {
  return isLoss(error) || isEverfullError(error, 'repository-newer');
}

/** An open repository: the truth in a store, and the keys to read it. */
export class Repository implements SessionHost {
  readonly store: ObjectStore;
  readonly config: Config;
  readonly keyring: Keyring;
  /** The wrapping key of the keyring, and those that it took the place of. */
  readonly keys: WrappingKeys;
  readonly secrets: DomainSecrets;
  readonly index: ChunkIndex;
  readonly frames: FrameReader;
  readonly #sealers = new Map<string, Sealer>();

  private constructor(store: ObjectStore, config: Config, keyring: Keyring, index: ChunkIndex) {
    this.store = store;
    this.config = config;
    this.keyring = keyring;
    this.keys = new WrappingKeys(store, keyring.wrappingKey);
    this.secrets = new DomainSecrets(keyring.domainSecret);
    this.index = index;
    this.frames = new FrameReader(store, index, (bytes, kind, id) => this.open(bytes, kind, id));
  }

  /**
   * Makes a repository in an empty store, with the secrets of another where one is given: then images can
   * pass between the two as they are stored. Rejects with 'repository-exists'.
   */
  static async create(
    store: ObjectStore,
    slots: readonly { credential: Credential; label: string }[],
    options: SlotOptions & { readonly secretsOf?: Repository | undefined },
  ): Promise<Repository> {
    if (await exists(store, CONFIG)) throw alreadyThere(store);
    const fresh = createKeyring();
    const keyring = { ...fresh, domainSecret: options.secretsOf?.keyring.domainSecret ?? fresh.domainSecret };
    const { secretsId } = new DomainSecrets(keyring.domainSecret);
    const config: Config = { repositoryId: randomBytes(16), secretsId, created: options.clock.now() };
    await putKeysAndConfig(store, keyring, config, slots, options);
    return new Repository(store, config, keyring, new ChunkIndex(store));
  }

  /** Whether a store holds a repository. */
  static exists(store: ObjectStore): Promise<boolean> {
    return exists(store, CONFIG);
  }

  /**
   * Opens a repository with the first of `credentials` that fits a slot.
   * Rejects with 'repository-missing', 'wrong-password', 'damaged' or 'repository-newer'.
   */
  static async open(store: ObjectStore, credentials: readonly Credential[]): Promise<Repository> {
    const config = await readConfig(store);
    const index = new ChunkIndex(store);
    // A passphrase takes long by design, and the index needs no key.
    const [opened, loaded] = await Promise.allSettled([
      openKeyring(store, credentials, config.secretsId),
      index.load(),
    ]);
    if (opened.status === 'rejected') throw opened.reason;
    if (loaded.status === 'rejected') throw loaded.reason;
    return new Repository(store, config, opened.value, index);
  }

  addSlot(credential: Credential, label: string, options: SlotOptions): Promise<Buffer> {
    return putSlot(this.store, this.keyring, credential, label, options);
  }

  /** See {@link WriteSession.open}. */
  openSession(dataset: Uint8Array, options: SessionOptions): Promise<WriteSession> {
    return WriteSession.open(this, dataset, options);
  }

  /** Keeps an image from collection while it is read. Rejects with 'image-missing' where it was forgotten. */
  pin(image: Manifest, clock: Clock): Promise<ReadSession> {
    return ReadSession.open(this.store, image, clock);
  }

  async reusable(added: ChunkIndex = this.index) {
    const [lists, damaged] = await Promise.all([readCondemned(this.store), readDamaged(this.store)]);
    // After the lists: a pack that is there now and in none of them is safe from runs that publish later.
    const [packs] = await Promise.all([listPacks(this.store), this.index.load()]);
    return { frames: this.index.reusable(packs, packsOf(lists), damaged, added), damaged };
  }

  /** The endpoint of `host`, made on first use. */
  async endpoint(host: ByteString): Promise<Endpoint> {
    const name = endpointName(this.secrets.endpointId(host));
    for (;;) {
      if (await exists(this.store, name)) {
        const endpoint = await this.#registered(this.secrets.endpointId(host));
        await makeDurable(this.store, name);
        return endpoint;
      }
      const { endpoint, bytes } = makeEndpoint(this.keyring.wrappingKey, this.secrets, host);
      try {
        await this.store.putIfAbsent(name, [bytes]);
        return endpoint;
      } catch (error) {
        if (!isEverfullError(error, 'object-exists')) throw error;
      }
    }
  }

  /** An endpoint that someone with the keys registered. */
  async #registered(id: Uint8Array): Promise<Endpoint> {
    const name = endpointName(id);
    const bytes = await this.store.get(name, { limit: RECORD_BYTES_MAX });
    const endpoint = await this.keys.endpoint(this.secrets, bytes);
    if (!equalBytes(endpoint.id, id))
      throw new EverfullError('forged', `Could not accept ${name}: it is that of another endpoint`);
    return endpoint;
  }

  readonly #publicKeys = new Map<string, Promise<Buffer>>();
  #publicKey(id: Uint8Array): Promise<Buffer> {
    const known = this.#publicKeys.get(hexOf(id));
    if (known !== undefined) return known;
    const read = this.#registered(id).then(({ publicKey }) => publicKey);
    this.#publicKeys.set(hexOf(id), read);
    // What could not be read now may be there for the next who asks.
    read.catch(() => this.#publicKeys.delete(hexOf(id)));
    return read;
  }

  async #sealer(dataKeyId: Uint8Array): Promise<Sealer | undefined> {
    const id = hexOf(dataKeyId);
    let sealer = this.#sealers.get(id);
    if (sealer === undefined) {
      const dataKey = await this.dataKey(dataKeyId);
      if (dataKey === undefined) return undefined;
      sealer = new Sealer(dataKey.key, dataKeyId);
      this.#sealers.set(id, sealer);
    }
    return sealer;
  }

  /** The data key of this id; undefined where it is missing. Rejects with 'damaged' or 'keys-rotated'. */
  async dataKey(id: Uint8Array): Promise<DataKey | undefined> {
    let bytes: Uint8Array;
    try {
      bytes = await this.store.get(dataKeyName(id), { limit: RECORD_BYTES_MAX });
    } catch (error) {
      if (isEverfullError(error, 'object-missing')) return undefined;
      throw error;
    }
    return this.keys.dataKey(bytes);
  }

  /** Reads, opens and checks the manifest at a place. Rejects with 'damaged', 'forged' or 'object-missing'. */
  async readManifest(dataset: Uint8Array, sequence: number): Promise<Manifest> {
    const name = manifestName(dataset, sequence);
    const {
      header: headerBytes,
      signature,
      body: sealed,
    } = manifestRecord.decode(await this.store.get(name, { limit: RECORD_BYTES_MAX }), digest);
    const header = decodeManifestHeader(headerBytes);
    if (
      !equalBytes(header.dataset, dataset) ||
      header.sequence !== sequence ||
      !equalBytes(header.secretsId, this.secrets.secretsId)
    ) {
      throw new EverfullError('forged', `Could not accept manifest ${name}: it was made for another place`);
    }
    if (!verify(await this.#publicKey(header.endpoint), manifestSignedBytes(headerBytes), signature)) {
      throw new EverfullError(
        'forged',
        `Could not accept manifest ${name}: its signature is not that of its endpoint`,
      );
    }
    if (!equalBytes(digest(sealed), header.bodyDigest))
      throw new EverfullError(
        'damaged',
        `Could not read manifest ${name}: its body does not match its digest`,
      );
    const sealer = await this.#sealer(header.dataKeyId);
    if (sealer === undefined)
      throw new EverfullError(
        'damaged',
        `Could not read manifest ${name}: its data key ${hexOf(header.dataKeyId)} is missing`,
      );
    const body = decodeManifestBody(
      openManifestBody(sealed, header.nonce, sealer, this.secrets.secretsId, dataset, sequence),
    );
    return { id: digest(headerBytes), header, body };
  }

  /** The sequence numbers of a dataset's manifests, committed or not, in order. */
  async #sequences(dataset: Uint8Array): Promise<number[]> {
    const sequences: number[] = [];
    for await (const { name } of this.store.list(`${MANIFEST_PREFIX}${hexOf(dataset)}/`, { sizes: false })) {
      const number = name.slice(name.lastIndexOf('/') + 1);
      if (/^\d{10}$/.test(number)) sequences.push(Number(number));
    }
    return sequences.sort((a, b) => a - b);
  }

  /**
   * The newest manifest of a dataset, committed or not. Damage to it must not keep new images from being
   * committed: its id is then that of the end record, or zeros where none has it.
   */
  async chainEnd(dataset: Uint8Array): Promise<ChainEnd | undefined> {
    const sequence = (await this.#sequences(dataset)).at(-1);
    if (sequence === undefined) return undefined;
    try {
      const bytes = await this.store.get(manifestName(dataset, sequence), { limit: RECORD_BYTES_MAX });
      return { sequence, id: digest(manifestRecord.decode(bytes, digest).header) };
    } catch (error) {
      if (!isLoss(error)) throw error;
    }
    let id: Buffer = Buffer.alloc(ID_BYTES);
    await eachAtOnce(await this.#ends(() => {}), async (name) => {
      try {
        const end = await this.#readEnd(name);
        const isOfIt = end.sequence === sequence && equalBytes(end.dataset, dataset);
        if (isOfIt && end.state === SESSION_COMMITTED) id = Buffer.from(end.image);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
      }
    });
    return { sequence, id };
  }

  /** The newest committed image of a dataset that can be read; what cannot is given to `onDamage`. */
  async newestImage(dataset: Uint8Array, onDamage: (damage: Damage) => void): Promise<Image | undefined> {
    this.frames.expectNewer();
    const [sequences, retention] = await Promise.all([this.#sequences(dataset), this.#retention(onDamage)]);
    let newest: Image | undefined;
    for (const sequence of sequences.reverse()) {
      try {
        const manifest = await this.readManifest(dataset, sequence);
        const { session } = manifest.header;
        const name = sessionEndName(session);
        if (retention.isForgotten(session)) continue;
        if (!(await exists(this.store, name)) || !(await exists(this.store, sessionOpenName(session))))
          continue;
        const end = await this.#readEnd(name);
        if (end.state !== SESSION_COMMITTED) continue;
        const image = imageOf(name, end, manifest);
        if (newest === undefined || image.committed > newest.committed) newest = image;
        // One that stands for another may be older than those before it.
        if (image.body.original.every((byte) => byte === 0)) return newest;
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        onDamage({ object: manifestName(dataset, sequence), error });
      }
    }
    return newest;
  }

  async #readEnd(name: string): Promise<SessionEnd> {
    return sessionEndRecord.decode(await this.store.get(name, { limit: RECORD_BYTES_MAX }), digest);
  }

  /** The image of a session that ended, read and checked. Rejects with 'damaged', 'forged' or 'object-missing'. */
  async image(session: Uint8Array): Promise<Image> {
    this.frames.expectNewer();
    const name = sessionEndName(session);
    const end = await this.#readEnd(name);
    return imageOf(name, end, await this.readManifest(end.dataset, end.sequence));
  }

  /** Whether an image exists: it was committed, and nobody forgot it. */
  has({ header }: Manifest): Promise<boolean> {
    return imageExists(this.store, header.session);
  }

  /** What was decided of images. Where that cannot be read, those that were forgotten are shown, too: nobody is to be without his images. */
  async #retention(onDamage: (damage: Damage) => void): Promise<Pick<RetentionState, 'isForgotten'>> {
    try {
      return await readRetention(this.store);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      onDamage({ object: RETENTION_PREFIX, error });
      return { isForgotten: () => false };
    }
  }

  /** The names of the end records of all sessions that made an image, unless it was forgotten. */
  async #ends(onDamage: (damage: Damage) => void): Promise<string[]> {
    // The log first: what it does not say of an image that is listed after it was not decided before it was read.
    const retention = await this.#retention(onDamage);
    const names = new Set<string>();
    for await (const { name } of this.store.list(SESSION_PREFIX, { sizes: false })) names.add(name);
    return [...names].filter(
      (name) =>
        name.endsWith('.end') &&
        names.has(name.replace(/end$/, 'open')) &&
        !retention.isForgotten(sessionOf(name)),
    );
  }

  /** The images that exist and of which nobody can tell what they hold: their end or their manifest is damaged or gone. */
  async unreadableImages(): Promise<UnreadableImage[]> {
    const unreadable: UnreadableImage[] = [];
    await eachAtOnce(await this.#ends(() => {}), async (name) => {
      const session = sessionOf(name);
      let object = name;
      // Of a damaged end nobody knows the dataset: then the locks of the repository count.
      let dataset: Uint8Array = ALL_DATASETS;
      try {
        const end = await this.#readEnd(name);
        if (end.state !== SESSION_COMMITTED) return;
        dataset = end.dataset;
        object = manifestName(end.dataset, end.sequence);
        decodeManifestHeader(
          manifestRecord.decode(await this.store.get(object, { limit: RECORD_BYTES_MAX }), digest).header,
        );
      } catch (error) {
        if (!isLoss(error)) throw error;
        unreadable.push({ session, dataset, object, error });
      }
    });
    return unreadable;
  }

  /**
   * Every committed image, oldest first. Those that cannot be read are given to `onDamage`.
   *
   * @param known what an earlier call found, by the name of the end record, so that it is not read again;
   *   afterwards what this call found. End records and manifests never change, but they may rot unnoticed.
   */
  async images(onDamage: (damage: Damage) => void, known: KnownImages = new Map()): Promise<Image[]> {
    this.frames.expectNewer();
    const names = await this.#ends(onDamage);
    const there = new Set(names);
    for (const name of known.keys()) if (!there.has(name)) known.delete(name);
    await eachAtOnce(
      names.filter((name) => !known.has(name)),
      async (name) => {
        let end: SessionEnd | undefined;
        try {
          end = await this.#readEnd(name);
          known.set(
            name,
            end.state === SESSION_COMMITTED
              ? imageOf(name, end, await this.readManifest(end.dataset, end.sequence))
              : undefined,
          );
        } catch (error) {
          if (!isUnreadable(error)) throw error;
          onDamage({ object: end === undefined ? name : manifestName(end.dataset, end.sequence), error });
        }
      },
    );
    return [...known.values()]
      .filter((image) => image !== undefined)
      .sort(
        (a, b) =>
          a.body.time - b.body.time || a.header.sequence - b.header.sequence || Buffer.compare(a.id, b.id),
      );
  }

  /** See {@link FrameReader.frame}. */
  frame(kind: FrameKind, id: Uint8Array): Promise<OpenedFrame> {
    return this.frames.frame(kind, id);
  }

  async open(bytes: Uint8Array, kind: FrameKind, id: Uint8Array): Promise<OpenedFrame> {
    const { header } = decodeFrame(bytes);
    const sealer = header.sealing === Sealing.clear ? undefined : await this.#sealer(header.dataKeyId);
    return openFrame(bytes, kind, id, this.secrets, () => sealer);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

/** The id of the session that an object below `sessions/` is of. */
function sessionOf(name: string): Buffer {
  return bytesFromHex(name.slice(SESSION_PREFIX.length, name.lastIndexOf('.')));
}

/** The image of a manifest and the end record that says that it was committed. */
function imageOf(endName: string, end: SessionEnd, manifest: Manifest): Image {
  if (!equalBytes(manifest.id, end.image) || !equalBytes(manifest.header.session, end.session)) {
    throw new EverfullError(
      'forged',
      `Could not accept ${endName}: it names another image than its manifest`,
    );
  }
  return { ...manifest, committed: end.ended };
}
