import { BoundedQueue, type ByteString, EverfullError, equalBytes, hexOf, threadCount } from '../base/mod.ts';
import { ChunkPipeline, type CompressionMode, SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import {
  type Content,
  contentLength,
  decodeEntry,
  type Entry,
  EntryType,
  encodeEntry,
  FrameKind,
  type PathKey,
} from '../format/mod.ts';
import {
  applyChanges,
  compareIndexes,
  type EntryToSet,
  type ImageSources,
  leavesInRange,
  lookUp,
  type NodeSource,
  piecesInRange,
  readAhead,
  TreeBuilder,
  type TreeRoot,
} from '../image/mod.ts';
import type { Repository, WriteSession } from '../repository/mod.ts';
import { addKnown, unlessLost } from './capture-files.ts';
import { ChunkGroup, type StoredCounts } from './chunk-group.ts';
import { ContentDraft, refersToStored } from './content-draft.ts';
import { DataCutter } from './data-cutter.ts';
import { WAITING_MAX } from './decide.ts';
import { KnownFiles, type KnownPlace } from './known-files.ts';
import { longFingerprintOf } from './long-file.ts';

/** Small files whose bytes are fetched before their turn. */
const FILES_AHEAD = 16;
/** Chunks of a long file that are fetched before their turn. */
const CHUNKS_AHEAD = 4;
/** Entries between the decision and the index, besides those that wait for a chunk. */
const AHEAD_MAX = 4_000;
/** Small files whose fingerprints are held, at 55 bytes each. */
const KNOWN_FILES_MAX = 4_000_000;

/** Two indexes of the same entries: one in the repository that is read, the other in the one that is written. */
export interface CopiedPair {
  readonly from: TreeRoot;
  readonly to: TreeRoot;
}

export interface ImageCaptureOptions {
  /** Where the copy goes. */
  readonly repository: Repository;
  readonly session: WriteSession;
  /** What is read: an index and its contents, of another repository. */
  readonly source: ImageSources;
  readonly root: TreeRoot;
  /** An image that was copied before, on which the session builds: then only what differs from it is looked at. */
  readonly before: CopiedPair | undefined;
  /** Other indexes of the repository whose small files may be referenced. */
  readonly related: readonly TreeRoot[];
  readonly compression: CompressionMode;
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /** Told of each entry that differs from the image before, when it is decided. */
  entry(key: PathKey, entry: Entry): void;
  read(bytes: number): void;
}

/**
 * Stores an image of another repository as the index of a new one, encoded anew with the secrets of this one:
 * the bytes of its files are cut, grouped, named and sealed as a backup of the same tree would do, so into an
 * empty repository it gives the root that such a backup gives.
 *
 * Rejects with what the source rejects with, and with 'interrupted'.
 */
export async function captureImage(
  options: ImageCaptureOptions,
): Promise<{ root: TreeRoot; counts: StoredCounts }> {
  const { repository, session, source, root } = options;
  // What is damaged here is made again of what the source has: so all of it is looked at.
  const before = session.damaged.size === 0 ? options.before : undefined;
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
  const seed = repository.secrets.boundaryKey.readUInt32LE(0);
  const builder = new TreeBuilder(FrameKind.indexNode, seed, (node) => session.addNode(node));
  const translator = new Translator({ ...options, before }, pipeline, counts, seed);
  const queue = new BoundedQueue<Draft>(WAITING_MAX + AHEAD_MAX);
  const fail = (error: unknown): never => {
    queue.fail(error);
    throw error;
  };
  const changes =
    before === undefined ? allOf(source.node, root) : compareIndexes(source.node, before.from, root);
  const build = async (): Promise<TreeRoot> => {
    const entries = entriesOf(queue, translator.group, session);
    if (before === undefined)
      for await (const { key, value, content } of entries) builder.addEntry(key, value!, content);
    else await applyChanges(builder, nodesOf(repository), before.to, entries, { takesOver: true });
    return builder.finish();
  };
  try {
    const [built] = await Promise.all([
      build().catch(fail),
      translator
        .run(changes, queue)
        .then(() => queue.close())
        .catch(fail),
    ]);
    return { root: built, counts };
  } finally {
    await pipeline.close();
  }
}

/** A key as it is in the source now. */
interface Change {
  readonly key: ByteString;
  readonly before: { readonly value: Uint8Array } | undefined;
  readonly after: { readonly value: Uint8Array } | undefined;
}

/** What a key is to have in the copy; the place of a small file may not have its chunk's id yet. */
interface Draft {
  readonly key: PathKey;
  readonly entry: Entry | undefined;
  readonly place: KnownPlace | undefined;
}

/** What a file refers to in the copy. */
interface Stored {
  readonly fingerprint: Uint8Array;
  readonly content: Content | KnownPlace;
}

async function* allOf(source: NodeSource, root: TreeRoot): AsyncGenerator<Change> {
  for await (const leaf of leavesInRange(source, root))
    for (const { key, value } of leaf) yield { key, before: undefined, after: { value } };
}

function nodesOf(repository: Repository): NodeSource {
  return async (kind, id) => (await repository.frame(kind, id)).plain;
}

async function* entriesOf(
  queue: BoundedQueue<Draft>,
  group: ChunkGroup,
  session: WriteSession,
): AsyncGenerator<EntryToSet> {
  let turn = 0;
  for (;;) {
    const draft = queue.poll() ?? (await queue.take());
    if (draft === undefined) return;
    if (++turn % 256 === 0) await session.room();
    const { key, entry, place } = draft;
    if (entry === undefined) {
      yield { key, value: undefined };
      continue;
    }
    const content =
      place === undefined
        ? entry.content
        : {
            pieces: [
              {
                length: place.length,
                chunk: place.chunk.id ?? (await group.settled(place.chunk)),
                offset: place.offset,
              },
            ],
          };
    yield { key, value: encodeEntry({ ...entry, content }), content };
  }
}

/** Stores contents anew, in key order, and says what refers to them. */
class Translator {
  readonly group: ChunkGroup;
  readonly #options: ImageCaptureOptions;
  readonly #pipeline: ChunkPipeline;
  readonly #counts: StoredCounts;
  readonly #seed: number;
  readonly #targetNodes: NodeSource;
  #known: KnownFiles | undefined;
  /** What the first path of each group of hard links refers to. */
  readonly #links = new Map<ByteString, Stored>();

  constructor(options: ImageCaptureOptions, pipeline: ChunkPipeline, counts: StoredCounts, seed: number) {
    this.#options = options;
    this.#pipeline = pipeline;
    this.#counts = counts;
    this.#seed = seed;
    this.#targetNodes = nodesOf(options.repository);
    this.group = new ChunkGroup(pipeline, options.session, counts);
  }

  async run(changes: AsyncIterable<Change>, to: BoundedQueue<Draft>): Promise<void> {
    let waiting = 0;
    const fetched = readAhead(changes, FILES_AHEAD, async ({ key, before, after }) => {
      const entry = after && decodeEntry(after.value);
      const same = entry?.type === EntryType.file ? await this.#same(key, before?.value, entry) : undefined;
      const isSmall = same === undefined && entry?.content !== undefined && isSmallFile(entry.content);
      return { key, entry, same, bytes: isSmall ? await this.#bytesOf(entry.content!) : undefined };
    });
    for await (const { key, entry, same, bytes } of fetched) {
      this.#check();
      to.push(await this.#draft(key, entry, same, bytes));
      if (entry !== undefined) this.#options.entry(key, entry);
      // As in a backup: see WAITING_MAX.
      waiting = this.group.isEmpty ? 0 : waiting + 1;
      if (waiting > WAITING_MAX) {
        this.group.close();
        waiting = 0;
      }
      if (to.isFull) await to.room();
    }
    await this.group.finish();
  }

  async #draft(
    key: PathKey,
    entry: Entry | undefined,
    same: Stored | undefined,
    bytes: Buffer | undefined,
  ): Promise<Draft> {
    if (entry?.content === undefined) return { key, entry, place: undefined };
    const { linkGroup } = entry;
    const first = linkGroup === undefined ? undefined : this.#links.get(linkGroup);
    const stored =
      same ?? first ?? (bytes === undefined ? await this.#long(entry.content) : await this.#small(bytes));
    if (linkGroup !== undefined && first === undefined) this.#links.set(linkGroup, stored);
    const { fingerprint, content } = stored;
    return 'chunk' in content
      ? { key, entry: { ...entry, fingerprint }, place: content }
      : { key, entry: { ...entry, fingerprint, content }, place: undefined };
  }

  /** What the copy of the image before refers to, where only attributes of the file are others now. */
  async #same(key: PathKey, before: Uint8Array | undefined, entry: Entry): Promise<Stored | undefined> {
    if (before === undefined || this.#options.before === undefined) return undefined;
    const { fingerprint } = decodeEntry(before);
    if (fingerprint === undefined || !equalBytes(fingerprint, entry.fingerprint!)) return undefined;
    const item = await lookUp(this.#targetNodes, this.#options.before.to, key);
    const there = item && decodeEntry(item.value);
    return there?.content !== undefined && refersToStored(there.content, this.#options.session)
      ? { fingerprint: there.fingerprint!, content: there.content }
      : undefined;
  }

  async #small(bytes: Buffer): Promise<Stored> {
    const { repository, session } = this.#options;
    const fingerprint = repository.secrets.fileFingerprint(bytes);
    const { length } = bytes;
    if (length === 0) return { fingerprint, content: { pieces: [] } };
    this.#known ??= await this.#knownFiles();
    const known = this.#known.find(fingerprint);
    if (known?.length === length && (known.chunk.id === undefined || session.has(known.chunk.id)))
      return { fingerprint, content: known };
    await this.group.ready();
    const place = { ...this.group.add(bytes), length };
    this.#known.set(fingerprint, place);
    return { fingerprint, content: place };
  }

  async #knownFiles(): Promise<KnownFiles> {
    const { before, related } = this.#options;
    const known = new KnownFiles(KNOWN_FILES_MAX);
    for (const root of before === undefined ? related : [before.to])
      await unlessLost(async () => {
        for await (const leaf of leavesInRange(this.#targetNodes, root))
          for (const { value } of leaf) addKnown(known, value);
      });
    return known;
  }

  /** The bytes of a small file, gathered. */
  async #bytesOf(content: Content): Promise<Buffer> {
    const blocks: Uint8Array[] = [];
    for await (const block of this.#blocksOf(content)) if (typeof block !== 'number') blocks.push(block);
    return Buffer.concat(blocks);
  }

  /** Runs of data as bytes, holes as their lengths. */
  async *#blocksOf(content: Content): AsyncGenerator<Uint8Array | number> {
    const { source, read } = this.#options;
    let left = contentLength(content);
    const pieces = piecesInRange(source.node, content);
    const fetched = readAhead(pieces, CHUNKS_AHEAD, async ({ piece }) => ({
      piece,
      plain: piece.chunk === undefined ? undefined : await source.chunk(piece.chunk),
    }));
    for await (const { piece, plain } of fetched) {
      this.#check();
      left -= piece.length;
      read(piece.length);
      if (plain === undefined) {
        yield piece.length;
        continue;
      }
      const end = piece.offset + piece.length;
      if (end > plain.length)
        throw new EverfullError(
          'damaged',
          `Could not copy bytes ${piece.offset} to ${end} of chunk ${hexOf(piece.chunk!).slice(0, 16)}: it has ${plain.length}`,
        );
      yield plain.subarray(piece.offset, end);
    }
    if (left > 0)
      throw new EverfullError('damaged', `Could not copy a content: its pieces end ${left} bytes too early`);
  }

  /** Cuts a long file, or one with holes, anew: where chunks end depends on the secrets. */
  async #long(content: Content): Promise<Stored> {
    const { repository, session } = this.#options;
    const { secrets } = repository;
    const cutter = new DataCutter({ pipeline: this.#pipeline, session, secrets, counts: this.#counts });
    const holes: { before: number; length: number }[] = [];
    for await (const block of this.#blocksOf(content)) {
      if (typeof block === 'number') holes.push({ before: cutter.length, length: block });
      else await cutter.add(block);
    }
    const short = await cutter.finish();
    const draft = new ContentDraft();
    const ids: Uint8Array[] = [];
    let hole = 0;
    let at = 0;
    const addHoles = () => {
      while (hole < holes.length && holes[hole].before <= at) draft.hole(holes[hole++].length);
    };
    for (const { id, length } of cutter.chunks) {
      const chunk = { id };
      ids.push(id);
      for (let done = 0; done < length; ) {
        addHoles();
        const run = Math.min(length - done, hole < holes.length ? holes[hole].before - at : length);
        draft.data(run, chunk, done);
        done += run;
        at += run;
      }
    }
    addHoles();
    const settled = () => Promise.reject(new Error('every chunk has its id'));
    return {
      fingerprint: short !== undefined && holes.length === 0 ? short : longFingerprintOf(secrets, ids, holes),
      content: await draft.finish(this.#seed, (node) => session.addNode(node), settled),
    };
  }

  #check(): void {
    if (this.#options.signal.aborted)
      throw new EverfullError('interrupted', 'The copy was interrupted', {
        advice: 'Run it again: what was stored is used.',
      });
  }
}

/** Whether a backup would store the file together with others. */
function isSmallFile(content: Content): boolean {
  return (
    !('root' in content) &&
    contentLength(content) < SMALL_FILE_BYTES_MAX &&
    content.pieces.every(({ chunk }) => chunk !== undefined)
  );
}
