import { EverfullError, equalBytes, hexOf, isEverfullError } from '../../base/mod.ts';
import { openFrame } from '../../chunk/mod.ts';
import { type DataKey, digest, Sealer, unwrapDataKey, WrappingKey, wrapDataKey } from '../../crypto/mod.ts';
import { decodeFrame, FrameKind, Sealing, type StreamRef } from '../../format/mod.ts';
import { checkLists, listsOf, type NodeSource, type TreeRoot } from '../../image/mod.ts';
import { dataKeyName, type Repository, type WriteSession } from '../../repository/mod.ts';
import { IdTable } from '../checking/mod.ts';
import { checkClaim, claimOf, type NodeParts, type NodeRef, partsOf, walkNodes } from './node-parts.ts';

/** What came with a stream. */
export interface ReceivedCounts {
  chunks: number;
  nodes: number;
  references: number;
  /** Of the frames, those that the repository did not have: how many, and their plain bytes. */
  framesAdded: number;
  bytesAdded: number;
}

/**
 * Takes the frames of a stream into a session. Each is authenticated and its id computed again; of a
 * node the header must list what is in the body, and all that it names must have come before it, or be
 * referenced, or (a chunk) be in the repository where the session may build on it. Memory: about 60
 * bytes a node.
 */
export class Receiver {
  readonly counts: ReceivedCounts = { chunks: 0, nodes: 0, references: 0, framesAdded: 0, bytesAdded: 0 };
  readonly #repository: Repository;
  readonly #session: WriteSession;
  readonly #streamKey: WrappingKey;
  /** By id in hexadecimal. */
  readonly #keys = new Map<string, { readonly key: DataKey; readonly sealer: Sealer; isStored: boolean }>();
  /** What was said of each node that came, or that the base has. */
  readonly #claims = new IdTable();
  readonly #references: NodeRef[] = [];

  constructor(repository: Repository, session: WriteSession) {
    this.#repository = repository;
    this.#session = session;
    this.#streamKey = new WrappingKey(repository.secrets.streamKey);
  }

  addKey(object: Uint8Array): void {
    const key = unwrapDataKey(this.#streamKey, object);
    this.#keys.set(hexOf(key.id), { key, sealer: new Sealer(key.key, key.id), isStored: false });
  }

  /** Throws 'damaged' for a key that did not come. */
  sealerOf(dataKeyId: Uint8Array): Sealer {
    return this.#keyOf(dataKeyId).sealer;
  }

  #keyOf(dataKeyId: Uint8Array) {
    const found = this.#keys.get(hexOf(dataKeyId));
    if (found === undefined) throw damaged(`data key ${hexOf(dataKeyId)} did not come before what it seals`);
    return found;
  }

  /** Takes a frame of any kind. How many entries it holds itself. */
  async addFrame(frame: Uint8Array): Promise<number> {
    const { kind, id, dataKeyId, sealing } = decodeFrame(frame).header;
    const { secrets } = this.#repository;
    const { plain, header } = openFrame(frame, kind, id, secrets, (id) => this.sealerOf(id));
    let entries = 0;
    if (kind === FrameKind.chunk) {
      this.counts.chunks++;
    } else {
      checkLists(header, listsOf(kind, plain));
      const parts = partsOf(kind, plain);
      this.#checkNamed(id, parts);
      this.#claims.set(id, claimOf(parts));
      this.counts.nodes++;
      if (kind === FrameKind.indexNode && parts.level === 0) entries = parts.items;
    }
    if (this.#session.has(id)) return entries;
    if (sealing !== Sealing.clear) await this.#storeKey(dataKeyId);
    const own = Buffer.from(id);
    if (kind === FrameKind.chunk) this.#session.addChunk(own, frame, digest(frame));
    else this.#session.addNodeFrame(kind, own, frame, digest(frame));
    this.counts.framesAdded++;
    this.counts.bytesAdded += plain.length;
    await this.#session.room();
    return entries;
  }

  #checkNamed(id: Uint8Array, { nodes, chunks }: NodeParts): void {
    for (const ref of nodes) {
      const claim = this.#claims.get(ref.root);
      if (claim === undefined) {
        throw damaged(
          `its node ${shortId(id)} names node ${shortId(ref.root)}, which neither came before it nor is in the base image`,
        );
      }
      checkClaim(ref, claim);
    }
    for (const chunk of chunks) if (!this.#session.has(chunk)) throw missing('chunk', chunk);
  }

  /** The repository seals data keys with its own wrapping key. */
  async #storeKey(dataKeyId: Uint8Array): Promise<void> {
    const found = this.#keyOf(dataKeyId);
    if (found.isStored) return;
    const { store, keyring } = this.#repository;
    const name = dataKeyName(dataKeyId);
    try {
      await store.putIfAbsent(name, [wrapDataKey(keyring.wrappingKey, found.key)]);
    } catch (error) {
      if (!isEverfullError(error, 'object-exists')) throw error;
      const known = await this.#repository.dataKey(dataKeyId);
      if (known === undefined || !equalBytes(known.key, found.key.key)) {
        throw new EverfullError(
          'forged',
          `Could not accept data key ${hexOf(dataKeyId)} of the stream: the repository has another one of this id`,
        );
      }
    }
    found.isStored = true;
  }

  /** Takes a reference to the base; whether the base has the node is seen by {@link checkReferences}. */
  addReference({ kind, id, level, items, length }: StreamRef): void {
    this.counts.references++;
    const ref = { kind, root: Buffer.from(id), level, items, length };
    this.#references.push(ref);
    this.#claims.set(ref.root, claimOf(ref));
  }

  /** Throws 'damaged' unless the root of the image is one of the nodes that came, or the base's. */
  checkRoot(root: TreeRoot): void {
    const claim = this.#claims.get(root.root);
    if (claim === undefined) throw damaged(`the root of the image, ${shortId(root.root)}, did not come`);
    checkClaim({ kind: FrameKind.indexNode, ...root }, claim);
  }

  /**
   * Looks for every node that was referenced in the base, which it walks no further than it must. Where
   * the repository knows of damage, it also looks at every frame below them.
   */
  async checkReferences(source: NodeSource, base: TreeRoot): Promise<void> {
    const wanted = new Map(this.#references.map((ref) => [hexOf(ref.root), ref]));
    // Below one that was found there is rarely another; only where one is missing yet this is looked at.
    for (const deep of [false, true]) {
      const seen = new IdTable();
      const walk = walkNodes(source, { kind: FrameKind.indexNode, ...base }, (ref) => {
        if (wanted.size === 0 || seen.get(ref.root) !== undefined) return false;
        seen.set(ref.root, 1);
        const found = wanted.get(hexOf(ref.root));
        if (found === undefined) return true;
        checkClaim(ref, claimOf(found));
        wanted.delete(hexOf(ref.root));
        return deep;
      });
      for await (const _ of walk);
    }
    for (const { root } of wanted.values())
      throw damaged(`it refers to node ${shortId(root)}, which the base image does not have`);
    if (this.#session.damaged.size > 0) await this.#checkBelow(source);
  }

  async #checkBelow(source: NodeSource): Promise<void> {
    const seen = new IdTable();
    for (const reference of this.#references) {
      const walk = walkNodes(source, reference, ({ root }) => {
        if (seen.get(root) !== undefined) return false;
        seen.set(root, 1);
        if (!this.#session.has(root)) throw missing('node', root);
        return true;
      });
      for await (const { chunks } of walk)
        for (const chunk of chunks) if (!this.#session.has(chunk)) throw missing('chunk', chunk);
    }
  }
}

function shortId(id: Uint8Array): string {
  return hexOf(id).slice(0, 16);
}

function damaged(why: string): EverfullError {
  return new EverfullError('damaged', `Could not accept the stream: ${why}`);
}

function missing(what: string, id: Uint8Array): EverfullError {
  return new EverfullError(
    'damaged',
    `Could not accept the stream: its image needs ${what} ${shortId(id)}, which did not come and is damaged or missing in this repository`,
    { advice: 'Import the image whole: export it without --base. What is damaged shows: everfull check' },
  );
}
