import { type ByteString, byteStringFromText, type Clock, hexOf } from '../../base/mod.ts';
import { encodeFrame } from '../../chunk/mod.ts';
import { type Credential, createKeyFileSecret, digest, Sealer, SlotKind } from '../../crypto/mod.ts';
import {
  type Content,
  type Entry,
  EntryType,
  encodeEntry,
  FrameKind,
  INLINE_PIECES_MAX,
  type ManifestBody,
  type Piece,
  pathKeyOf,
} from '../../format/mod.ts';
import { type BuiltNode, TreeBuilder, type TreeRoot } from '../../image/mod.ts';
import { type Image, Repository, type WriteSession } from '../../repository/mod.ts';
import { EMPTY_BODY } from '../../repository/testing/hand-made.ts';
import { MemoryStore, type ObjectStore } from '../../store/mod.ts';
import type { OperationContext, Problem } from '../context.ts';

/** A run of chunk bytes, or the length of a hole. */
export type Block = Buffer | string | number;

/** A file as its text or its blocks, one chunk each; or any entry. */
export type Item = string | readonly Block[] | Partial<Entry>;

export interface CommitOptions {
  readonly time?: number;
  readonly host?: string;
  readonly tags?: readonly string[];
  readonly paths?: readonly ByteString[];
  readonly body?: Partial<ManifestBody>;
  readonly dataset?: string;
  /** Makes another node of each, for images that no program would write. */
  readonly change?: (node: BuiltNode) => BuiltNode;
}

export const TIME = Date.UTC(2026, 0, 15);

/** A clock that a test moves. */
export class TestClock implements Clock {
  time = TIME;
  now = (): number => this.time;
  monotonic = (): number => this.time;
  readonly #timers = new Set<{ next: number; readonly ms: number; readonly work: () => void }>();

  /** Ends all that is done again and again, as if its process had died. */
  stop(): void {
    this.#timers.clear();
  }

  /** Passes at once; what is due meanwhile is done. */
  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    this.time += ms;
    for (const timer of this.#timers) {
      if (timer.next > this.time) continue;
      timer.next = this.time + timer.ms;
      timer.work();
    }
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  };
  every = (ms: number, work: () => void): (() => void) => {
    const timer = { next: this.time + ms, ms, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };
}

/** A repository in memory and images made by hand, without a capture. */
export class SmallRepository {
  readonly store: MemoryStore;
  readonly credential: Credential;
  readonly clock = new TestClock();
  repository: Repository;
  readonly problems: Problem[] = [];
  readonly notices: string[] = [];

  private constructor(store: MemoryStore, credential: Credential, repository: Repository) {
    this.store = store;
    this.credential = credential;
    this.repository = repository;
  }

  /** @param secretsOf has the same secrets */
  static async create(secretsOf?: SmallRepository): Promise<SmallRepository> {
    const store = new MemoryStore();
    const credential = { kind: SlotKind.keyFile, secret: createKeyFileSecret() };
    const repository = await Repository.create(store, [{ credential, label: 'test' }], {
      clock: new TestClock(),
      secretsOf: secretsOf?.repository,
    });
    return new SmallRepository(store, credential, repository);
  }

  /** As another process would see it: without what the last one had in memory. */
  async reopen(store: ObjectStore = this.store): Promise<OperationContext> {
    this.repository = await Repository.open(store, [this.credential]);
    return this.context();
  }

  context(changes: Partial<OperationContext> = {}): OperationContext {
    return {
      repository: this.repository,
      clock: this.clock,
      signal: new AbortController().signal,
      stateFolder: undefined,
      progress: () => {},
      problem: (problem) => this.problems.push(problem),
      notice: (message) => this.notices.push(message),
      ...changes,
    };
  }

  openSession(dataset = 'test'): Promise<WriteSession> {
    return this.repository.openSession(this.datasetId(dataset), { compression: 'auto', clock: this.clock });
  }

  datasetId(dataset: string): Buffer {
    return this.repository.secrets.datasetId([dataset]);
  }

  /** Commits an image of `items`; folders on the way to them are added. */
  async commit(items: Readonly<Record<ByteString, Item>>, options: CommitOptions = {}): Promise<Image> {
    const { time = this.clock.time++, host = 'host', tags = [], paths = ['/'], dataset = 'test' } = options;
    const session = await this.openSession(dataset);
    return this.commitTree(session, this.addTree(session, items, options.change), {
      ...options,
      time,
      host,
      tags,
      paths,
    });
  }

  /** Commits a tree that was stored with {@link addTree}. */
  async commitTree(
    session: WriteSession,
    root: TreeRoot,
    { time = this.clock.time++, host = 'host', tags = [], paths = ['/'], body }: CommitOptions = {},
  ): Promise<Image> {
    const { id } = await session.commit({
      endpoint: await this.repository.endpoint(byteStringFromText(host)),
      kind: 0,
      root,
      body: {
        ...EMPTY_BODY,
        host,
        user: 'root',
        paths,
        tags,
        time,
        started: time,
        ended: time,
        program: 'test',
        ...body,
      },
    });
    const images = await this.repository.images(({ error }) => {
      throw error;
    });
    return images.find((image) => image.id.equals(id))!;
  }

  /** Stores a tree without committing it. */
  addTree(
    session: WriteSession,
    items: Readonly<Record<ByteString, Item>>,
    change = (node: BuiltNode) => node,
  ) {
    const entries = new Map<ByteString, Entry>();
    for (const [path, item] of Object.entries(items)) {
      for (let slash = path.lastIndexOf('/'); slash >= 0; slash = path.lastIndexOf('/', slash - 1)) {
        const folder = path.slice(0, slash) || '/';
        if (!entries.has(folder) && folder !== path) entries.set(folder, entryOf({}));
        if (slash === 0) break;
      }
      entries.set(path, this.#entry(session, item));
    }
    const keys = [...entries]
      .map(([path, entry]) => [pathKeyOf(path), entry] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const builder = new TreeBuilder(
      FrameKind.indexNode,
      this.repository.secrets.boundaryKey.readUInt32LE(0),
      (node) => session.addNode(change(node)),
    );
    for (const [key, entry] of keys) builder.addEntry(key, encodeEntry(entry), entry.content);
    return builder.finish();
  }

  #entry(session: WriteSession, item: Item): Entry {
    if (typeof item !== 'string' && !Array.isArray(item)) return entryOf(item as Partial<Entry>);
    const blocks: readonly Block[] =
      typeof item === 'string' ? (item === '' ? [] : [item]) : (item as readonly Block[]);
    const pieces = blocks.map((block) => this.#piece(session, block));
    const fingerprint = digest(
      ...blocks.map((block) =>
        typeof block === 'number' ? Buffer.from(`hole ${block}`) : Buffer.from(block),
      ),
    );
    return entryOf({
      type: EntryType.file,
      mode: 0o644,
      content: this.#content(session, pieces),
      fingerprint,
    });
  }

  #content(session: WriteSession, pieces: readonly Piece[]): Content {
    if (pieces.length <= INLINE_PIECES_MAX) return { pieces };
    const builder = new TreeBuilder(FrameKind.contentNode, 0, (node) => session.addNode(node));
    for (const piece of pieces) builder.addPiece(piece);
    return builder.finish();
  }

  #piece(session: WriteSession, block: Block): Piece {
    if (typeof block === 'number') return { length: block, chunk: undefined, offset: 0 };
    const plain = Buffer.from(block);
    const { secrets } = this.repository;
    const id = secrets.chunkId(plain);
    if (!session.has(id)) {
      const sealer = new Sealer(session.dataKey.key, session.dataKey.id);
      const frame = encodeFrame(
        { kind: FrameKind.chunk, id, plain, chunks: [], nodes: [] },
        sealer,
        secrets.secretsId,
        'auto',
      );
      session.addChunk(id, frame, digest(frame));
    }
    return { length: plain.length, chunk: id, offset: 0 };
  }
}

/** A folder, unless `changes` say otherwise. */
export function entryOf(changes: Partial<Entry>): Entry {
  return {
    type: EntryType.folder,
    flags: 0,
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeSeconds: 1_700_000_000,
    mtimeNanoseconds: 123_456_789,
    xattrs: [],
    inodeFlags: 0,
    linkGroup: undefined,
    fingerprint: undefined,
    content: undefined,
    target: undefined,
    deviceMajor: 0,
    deviceMinor: 0,
    ...changes,
  };
}

export function idOf(image: Image): string {
  return hexOf(image.id);
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
