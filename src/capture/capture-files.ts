import {
  BoundedQueue,
  type ByteString,
  type Clock,
  EverfullError,
  isEverfullError,
  threadCount,
} from '../base/mod.ts';
import { ChunkPipeline, type CompressionMode } from '../chunk/mod.ts';
import { decodeEntry, EntryType, type PathKey } from '../format/mod.ts';
import { leavesInRange, lookUp, type NodeSource, type TreeRoot } from '../image/mod.ts';
import { writablyMappedInodes } from '../os/mod.ts';
import { type Image, isLoss, type Repository, type WriteSession } from '../repository/mod.ts';
import { Assembler, type EntryChange } from './assemble.ts';
import { ChunkGroup, type StoredCounts } from './chunk-group.ts';
import { Decider, WAITING_MAX } from './decide.ts';
import { heal } from './heal.ts';
import { type EntryItem, type Item, weightOf } from './item.ts';
import { KnownFiles } from './known-files.ts';
import { captureLongFile, type LongFile, type LongFileTools } from './long-file.ts';
import { Producer } from './produce.ts';
import { readSegments, SegmentWriter, wantsSegments } from './segment-files.ts';
import type { Selection } from './select/mod.ts';
import { inodeOf, isTrusted, sizeOf } from './stat-words.ts';
import { isLookDue, thinChunks, usesAny } from './thin-chunks.ts';
import { datasetFolder, type TrackedImage, TrackLog, TrackLogWriter } from './track-log.ts';
import { type WalkedEntry, walk } from './walk.ts';
import type { WalkAhead } from './walk-ahead.ts';

/** Entries between the walk and the decision. */
const AHEAD_MAX = 4_000;
/** Long files that are read at the same time. */
const LONG_FILES_AT_ONCE = 4;
/** Small files whose fingerprints are held, at 55 bytes each. */
const KNOWN_FILES_MAX = 4_000_000;

export interface CaptureOptions {
  readonly repository: Repository;
  readonly session: WriteSession;
  readonly dataset: Uint8Array;
  /** The image to compare with. */
  readonly base: Image | undefined;
  /** Other images whose files may be referenced. */
  readonly related: readonly Image[];
  readonly paths: readonly ByteString[];
  readonly selection: Selection;
  readonly leaveOut: readonly ByteString[];
  /** The walk of all this, where it has begun already. */
  readonly ahead?: WalkAhead | undefined;
  /** Reads every file, whatever the track log says. */
  readonly force: boolean;
  /** Leaves the track log and the segment entries as they are: nothing will be committed. */
  readonly dryRun: boolean;
  readonly compression: CompressionMode;
  readonly threads?: number | undefined;
  readonly stateFolder: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly events: CaptureEvents;
}

export interface CaptureEvents {
  failed(path: ByteString, error: { readonly code: string; readonly message: string }): void;
  leftOut(path: ByteString): void;
  entry(
    path: ByteString,
    change: EntryChange,
    isFolder: boolean,
    size: number,
    changedWhileRead: boolean,
  ): void;
  leaf(files: number, folders: number, bytes: number): void;
  walked(path: () => ByteString, size: number): void;
  read(bytes: number): void;
  notice(message: string): void;
  /** Damaged chunks were stored anew; so many could not be made again. */
  healed(chunks: number, lost: number): void;
}

export interface CapturedTree {
  readonly root: TreeRoot;
  readonly counts: StoredCounts;
  /** Entries of the base that are gone. */
  readonly deleted: number;
  /** Whether the track log of the base served. */
  readonly usedTrackLog: boolean;
  /** Puts the track log in place; call it once the image is committed. */
  publish(image: { readonly id: Uint8Array; readonly sequence: number }): void;
  /** Drops what would have been the track log. */
  discard(): void;
}

/** Stores the files below some paths as the index of a new image, and what is new of their contents. */
export async function captureFiles(options: CaptureOptions): Promise<CapturedTree> {
  const { repository, session, dataset, events, signal } = options;
  const folder = options.stateFolder === undefined ? undefined : datasetFolder(options.stateFolder, dataset);
  const log = openLog(folder, options);
  const logFolder = options.dryRun ? undefined : folder;
  const writer = logFolder === undefined ? undefined : new TrackLogWriter(logFolder);
  const segments = logFolder === undefined ? undefined : new SegmentWriter(logFolder);
  const began = options.ahead?.began ?? options.clock.now();
  const mapped = logFolder === undefined ? new Set<number>() : writablyMappedInodes();
  const threads = options.threads ?? threadCount();
  const pipeline = new ChunkPipeline(
    {
      domainSecret: repository.keyring.domainSecret,
      dataKey: session.dataKey.key,
      dataKeyId: session.dataKey.id,
      compression: options.compression,
    },
    { threads },
  );
  const counts: StoredCounts = { bytesAdded: 0, bytesAddedStored: 0, chunksAdded: 0 };
  const boundarySeed = repository.secrets.boundaryKey.readUInt32LE(0);
  const check = () => {
    if (signal.aborted)
      throw new EverfullError('interrupted', 'The backup was interrupted', {
        advice: 'Run it again: what was stored is used.',
      });
  };
  const tools: LongFileTools = {
    pipeline,
    session,
    secrets: repository.secrets,
    boundarySeed,
    sink: (node) => session.addNode(node),
    counts,
    check,
    read: events.read,
  };
  const broken = await healed(options, check);
  const thin = log === undefined || folder === undefined ? NO_CHUNKS : thinChunks(folder, log);
  session.avoid(thin);
  const longFiles = limited(LONG_FILES_AT_ONCE);
  const captureLong = (item: EntryItem, isSparse: boolean): Promise<LongFile> =>
    longFiles(async () => {
      const { path, words } = item;
      const size = sizeOf(words);
      const isForgotten = item.before === undefined;
      const isBroken = broken?.has(item.key) ?? true;
      const value = isBroken ? undefined : isForgotten ? await forgotten(item.key) : item.before.value;
      const before = value?.[0] === EntryType.file ? decodeEntry(value) : undefined;
      const wantSegments = folder !== undefined && wantsSegments(size, before !== undefined);
      const old =
        wantSegments && before !== undefined ? readSegments(folder, before.fingerprint!) : undefined;
      return captureLongFile(
        {
          path,
          words,
          isSparse,
          wantSegments,
          old,
          before,
          isForgotten: isForgotten && before !== undefined,
        },
        tools,
      );
    });
  /** What the base has under a key, where the track log should know it and does not. */
  const forgotten = async (key: PathKey): Promise<Uint8Array | undefined> => {
    const { base } = options;
    if (base === undefined || (log !== undefined && log.damage === undefined)) return undefined;
    return (await unlessLost(() => lookUp(nodesOf(repository), indexOf(base), key)))?.value;
  };
  const group = new ChunkGroup(pipeline, session, counts);
  let known: Promise<KnownFiles> | undefined;
  const toDecide = new BoundedQueue<Item>(AHEAD_MAX, weightOf);
  const toAssemble = new BoundedQueue<Item>(WAITING_MAX + AHEAD_MAX, weightOf);
  const producer = new Producer(toDecide, {
    pipeline,
    log,
    mustRead: (key, record) => options.force || (broken?.has(key) ?? true) || usesAny(record.value, thin),
    check,
    failed: events.failed,
    captureLong,
    seen: (entry) => events.walked(() => entry.folder + entry.name, entry.stat.size),
  });
  const decider = new Decider({
    pipeline,
    group,
    session,
    failed: events.failed,
    read: events.read,
    captureLong,
    known: () => {
      known ??= knownFiles(options, folder, log);
      return known;
    },
  });
  const assembler = new Assembler({
    boundarySeed,
    sink: tools.sink,
    session,
    group,
    log: writer,
    segments,
    isTrusted: (words) => isTrusted(words, began) && !mapped.has(inodeOf(words)),
    captureLong,
    failed: events.failed,
    entry: events.entry,
    leaf: events.leaf,
  });
  const walkEvents = { failed: events.failed, leftOut: events.leftOut };
  const batches = options.ahead?.batches(walkEvents) ?? atOnce(walk({ ...options, ...walkEvents }));

  const fail = (error: unknown): never => {
    toDecide.fail(error);
    toAssemble.fail(error);
    throw error;
  };
  try {
    const [root] = await Promise.all([
      assembler.run(toAssemble).catch(fail),
      decider
        .run(toDecide, toAssemble)
        .then(() => toAssemble.close())
        .catch(fail),
      producer
        .run(batches)
        .then(() => toDecide.close())
        .catch(fail),
    ]);
    check();
    if (log?.damage !== undefined)
      events.notice(`The track log was damaged: the files after it were read again (${log.damage.message})`);
    const unchanged =
      log !== undefined &&
      assembler.changes === 0 &&
      producer.deleted === 0 &&
      log.damage === undefined &&
      Buffer.compare(log.head.root, root.root) === 0;
    return {
      root,
      counts,
      deleted: producer.deleted,
      usedTrackLog: log !== undefined,
      publish(image) {
        const tracked: TrackedImage = {
          repositoryId: repository.config.repositoryId,
          dataset,
          image: image.id,
          sequence: image.sequence,
          root,
          turnover:
            assembler.changes +
            producer.deleted +
            (log === undefined || isLookDue(log.head) ? 0 : log.head.turnover),
        };
        if (unchanged) writer?.republish(log, tracked);
        else writer?.publish(tracked);
        segments?.publish();
        const failure = writer?.failure ?? segments?.failure;
        if (failure !== undefined)
          events.notice(
            `The track log could not be written: the next backup takes longer (${failure.message})`,
          );
      },
      discard: () => writer?.discard(),
    };
  } catch (error) {
    writer?.discard();
    throw error;
  } finally {
    await batches.return(undefined);
    log?.close();
    await pipeline.close();
  }
}

/**
 * Stores anew what is damaged. The files of the base whose contents are not whole even so, and have to be
 * read; undefined for all.
 */
async function healed(
  { repository, session, base, compression, events }: CaptureOptions,
  check: () => void,
): Promise<ReadonlySet<PathKey> | undefined> {
  if (base === undefined || session.damaged.size === 0) return NONE;
  const { healed, lost, broken } = await heal({
    repository,
    session,
    base: indexOf(base),
    compression,
    check,
  });
  if (healed + lost > 0) events.healed(healed, lost);
  return broken;
}

const NONE: ReadonlySet<PathKey> = new Set();
const NO_CHUNKS: ReadonlySet<ByteString> = new Set();

/** A walk in step with those who work on what it finds, as a single batch. */
async function* atOnce(entries: Generator<WalkedEntry>): AsyncGenerator<Iterable<WalkedEntry>> {
  try {
    yield entries;
  } finally {
    entries.return(undefined);
  }
}

/** The track log, if it describes the base. */
function openLog(
  folder: string | undefined,
  { repository, dataset, base, events }: CaptureOptions,
): TrackLog | undefined {
  if (folder === undefined || base === undefined) return undefined;
  const log = TrackLog.open(folder);
  const { repositoryId } = repository.config;
  if (log?.describes({ repositoryId, dataset, root: indexOf(base) })) return log;
  log?.close();
  events.notice(
    'There is no track log of the last image: all files are read, and what the repository has is not stored again',
  );
  return undefined;
}

/** The small files of the base: from the track log, which is at hand, or from the index. */
async function knownFiles(
  { repository, base, related }: CaptureOptions,
  folder: string | undefined,
  log: TrackLog | undefined,
): Promise<KnownFiles> {
  const known = new KnownFiles(KNOWN_FILES_MAX);
  if (log !== undefined && folder !== undefined) {
    const again = TrackLog.open(folder);
    if (again !== undefined) {
      for (let record = again.next(); record !== undefined; record = again.next())
        addKnown(known, record.value);
      again.close();
      if (again.damage === undefined) return known;
    }
  }
  for (const image of base === undefined ? related : [base])
    await unlessLost(async () => {
      for await (const leaf of leavesInRange(nodesOf(repository), indexOf(image)))
        for (const { value } of leaf) addKnown(known, value);
    });
  return known;
}

/** What an older image knows saves work; where it cannot be read the work is done. */
export async function unlessLost<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!isLoss(error) && !isEverfullError(error, 'repository-newer')) throw error;
    return undefined;
  }
}

function nodesOf(repository: Repository): NodeSource {
  return async (kind, id) => (await repository.frame(kind, id)).plain;
}

function indexOf({ header }: Image): TreeRoot {
  const { indexRoot: root, indexLevel: level, indexItems: items, indexLength: length } = header;
  return { root, level, items, length };
}

/** Takes in an encoded entry, if it is a small file. */
export function addKnown(known: KnownFiles, value: Uint8Array): void {
  if (value[0] !== EntryType.file) return;
  const { content, fingerprint } = decodeEntry(value);
  if (content === undefined || 'root' in content || content.pieces.length !== 1) return;
  const [{ chunk, offset, length }] = content.pieces;
  // A copy: the id is a view of a whole page of the log, or of a node.
  if (chunk !== undefined) known.add(fingerprint!, { chunk: { id: Buffer.from(chunk) }, offset, length });
}

/** Runs at most `count` jobs at once, in the order in which they come. */
function limited(count: number): <T>(job: () => Promise<T>) => Promise<T> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (job) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free--;
    try {
      return await job();
    } finally {
      const next = waiting.shift();
      if (next !== undefined) next();
      else free++;
    }
  };
}
