import { userInfo } from 'node:os';
import { type ByteString, byteStringFromText, displayText, EverfullError, hexOf } from '../base/mod.ts';
import { type CapturedTree, type CaptureEvents, captureFiles, type EntryChange } from '../capture/mod.ts';
import type { Selection } from '../capture/select/mod.ts';
import type { CompressionMode } from '../chunk/mod.ts';
import { ID_BYTES, IMAGE_KIND_FILES, type ManifestBody } from '../format/mod.ts';
import { AT_FDCWD, reachPath, StatBuffer } from '../os/mod.ts';
import type { Image, WriteSession } from '../repository/mod.ts';
import { dryRunOf } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { checkHead, rememberHead } from './heads.ts';

export interface BackupOptions {
  /** Absolute. */
  readonly paths: readonly ByteString[];
  readonly host: string;
  readonly tags: readonly string[];
  /** Names the dataset, in place of its paths. */
  readonly name?: string | undefined;
  /** The time that the image is to bear, ms since 1970; now if not given. */
  readonly time?: number | undefined;
  /** The image to compare with, in place of the newest of the dataset. */
  readonly parent?: Image | undefined;
  readonly selection: Selection;
  /** What the selection leaves out, for the manifest. */
  readonly excludes?: readonly string[] | undefined;
  readonly skipIfUnchanged: boolean;
  readonly dryRun: boolean;
  /** Reads every file again. */
  readonly force: boolean;
  readonly compression: CompressionMode;
  readonly readConcurrency?: number | undefined;
  /** Paths that are never backed up: what Everfull itself writes. */
  readonly leaveOut: readonly ByteString[];
  /** Told of each entry that is new or changed, and with `changed` of files that were written meanwhile. */
  item?(item: BackupItem): void;
  readonly program: string;
}

export interface BackupItem {
  readonly path: ByteString;
  readonly change: EntryChange;
  readonly isFolder: boolean;
  readonly size: number;
}

/** What a backup did; the names are restic's. */
export interface BackupSummary {
  filesNew: number;
  filesChanged: number;
  filesUnmodified: number;
  dirsNew: number;
  dirsChanged: number;
  dirsUnmodified: number;
  dataBlobs: number;
  treeBlobs: number;
  /** Plain bytes that were new to the repository. */
  dataAdded: number;
  /** The same as stored. */
  dataAddedPacked: number;
  totalFilesProcessed: number;
  totalBytesProcessed: number;
  /** Seconds. */
  totalDuration: number;
  backupStart: number;
  backupEnd: number;
  /** Undefined when nothing was to be committed. */
  imageId: string | undefined;
  parentId: string | undefined;
  /** Sources that could not be read, or do not exist. */
  failures: number;
  missingSources: ByteString[];
  leftOut: ByteString[];
  stages: Record<string, number>;
}

/** Most warnings that a manifest keeps. */
const WARNINGS_MAX = 1000;

/**
 * Backs up some paths as a new image of their dataset.
 * Rejects with 'source-missing' when none of the paths exists, 'interrupted', or what the store says.
 */
export async function backup(context: OperationContext, options: BackupOptions): Promise<BackupSummary> {
  const { repository, clock } = context;
  const started = clock.now();
  const startedAt = clock.monotonic();
  const { present, missing } = existing(options.paths, context);
  if (present.length === 0) {
    throw new EverfullError(
      'source-missing',
      `Could not back up ${missing.map((path) => `"${displayText(path)}"`).join(', ')}: there is nothing there`,
      { advice: 'Check the paths.' },
    );
  }
  const paths = [...new Set(options.paths)].sort();
  const host = byteStringFromText(options.host);
  const dataset = repository.secrets.datasetId(
    options.name === undefined ? [host, 'paths', ...paths] : [host, 'name', byteStringFromText(options.name)],
  );
  const endpoint = options.dryRun ? undefined : await repository.endpoint(host);
  const images = await repository.images((damage) =>
    context.problem({ item: damage.object, during: 'read', error: damage.error }),
  );
  const ofDataset = images.filter((image) => hexOf(image.header.dataset) === hexOf(dataset));
  const newest = ofDataset.reduce<Image | undefined>(
    (best, image) => (best === undefined || image.header.sequence > best.header.sequence ? image : best),
    undefined,
  );
  const base = options.parent ?? newest;
  checkHead(context, dataset, newest);
  const session = await openSession(context, dataset, options);
  const counter = new Counter(context, options);
  let tree: CapturedTree;
  const stages: Record<string, number> = { open: clock.monotonic() - startedAt };
  try {
    tree = await captureFiles({
      repository,
      session,
      dataset,
      base,
      related: base === undefined ? newestOfEach(images) : [],
      paths: present,
      selection: options.selection,
      leaveOut: options.leaveOut,
      force: options.force,
      compression: options.compression,
      threads: options.readConcurrency,
      stateFolder: context.stateFolder,
      clock,
      signal: context.signal,
      events: counter.events,
    });
  } catch (error) {
    // The error that ended the work is the one to tell of, whatever happens while the session is ended.
    await session.abort({ keep: true }).catch(() => {});
    throw error;
  }
  stages.capture = clock.monotonic() - startedAt - stages.open;
  const { summary } = counter;
  summary.missingSources = missing;
  summary.failures += missing.length;
  summary.dataAdded = tree.counts.bytesAdded + session.nodeBytes;
  summary.dataBlobs = tree.counts.chunksAdded;
  summary.treeBlobs = session.nodesAdded;
  summary.parentId = base === undefined ? undefined : hexOf(base.id);
  summary.backupStart = started;
  const unchanged = base !== undefined && Buffer.compare(base.header.indexRoot, tree.root.root) === 0;
  if (options.dryRun || (options.skipIfUnchanged && unchanged)) {
    tree.discard();
    await session.abort({ keep: false });
    return counter.finish(session, clock.now(), (clock.monotonic() - startedAt) / 1000, undefined, stages);
  }
  try {
    const body = manifestBody(options, paths, started, clock.now(), base, tree, counter, session);
    const committed = await session.commit({
      endpoint: endpoint!,
      kind: IMAGE_KIND_FILES,
      root: tree.root,
      body,
    });
    stages.commit = clock.monotonic() - startedAt - stages.open - stages.capture;
    rememberHead(context, dataset, committed);
    tree.publish(committed);
    stages.log = clock.monotonic() - startedAt - stages.open - stages.capture - stages.commit;
    return counter.finish(
      session,
      clock.now(),
      (clock.monotonic() - startedAt) / 1000,
      hexOf(committed.id),
      stages,
    );
  } catch (error) {
    tree.discard();
    throw error;
  }
}

function openSession(
  { repository, clock }: OperationContext,
  dataset: Uint8Array,
  options: BackupOptions,
): Promise<WriteSession> {
  const into = options.dryRun ? dryRunOf(repository) : repository;
  return into.openSession(dataset, { compression: options.compression, clock });
}

/** The newest image of each dataset: where files of a new one may be found. */
function newestOfEach(images: readonly Image[]): Image[] {
  const newest = new Map<string, Image>();
  for (const image of images) {
    const dataset = hexOf(image.header.dataset);
    const known = newest.get(dataset);
    if (known === undefined || image.header.sequence > known.header.sequence) newest.set(dataset, image);
  }
  return [...newest.values()];
}

function existing(
  paths: readonly ByteString[],
  context: OperationContext,
): { present: ByteString[]; missing: ByteString[] } {
  const stat = new StatBuffer();
  const present: ByteString[] = [];
  const missing: ByteString[] = [];
  for (const path of paths) {
    let isThere = false;
    try {
      isThere = reachPath(path, (dirfd, name) => stat.at(dirfd === AT_FDCWD ? AT_FDCWD : dirfd, name));
    } catch (error) {
      context.problem({ item: displayText(path), during: 'scan', error: error as Error });
      missing.push(path);
      continue;
    }
    if (isThere) present.push(path);
    else {
      missing.push(path);
      context.problem({
        item: displayText(path),
        during: 'scan',
        error: new EverfullError(
          'source-unreadable',
          `Could not back up "${displayText(path)}": there is nothing there`,
        ),
      });
    }
  }
  return { present, missing };
}

/** Counts what the capture tells, and passes it on. */
class Counter {
  readonly #context: OperationContext;
  readonly warnings: { path: ByteString; message: ByteString }[] = [];
  readonly summary: BackupSummary = {
    filesNew: 0,
    filesChanged: 0,
    filesUnmodified: 0,
    dirsNew: 0,
    dirsChanged: 0,
    dirsUnmodified: 0,
    dataBlobs: 0,
    treeBlobs: 0,
    dataAdded: 0,
    dataAddedPacked: 0,
    totalFilesProcessed: 0,
    totalBytesProcessed: 0,
    totalDuration: 0,
    backupStart: 0,
    backupEnd: 0,
    imageId: undefined,
    parentId: undefined,
    failures: 0,
    missingSources: [],
    leftOut: [],
    stages: {},
  };
  readonly events: CaptureEvents;
  bytesRead = 0;

  constructor(context: OperationContext, options: BackupOptions) {
    this.#context = context;
    const { summary } = this;
    const progress = (current?: string) =>
      context.progress({
        filesDone: summary.totalFilesProcessed,
        bytesDone: summary.totalBytesProcessed,
        current,
        errors: summary.failures,
      });
    this.events = {
      failed: (path, { code, message }) => {
        summary.failures++;
        this.#warn(path, message);
        context.problem({
          item: displayText(path),
          during: 'archival',
          error: new EverfullError('source-unreadable', `Could not read "${displayText(path)}": ${message}`, {
            context: { errno: code },
          }),
        });
      },
      leftOut: (path) => {
        summary.leftOut.push(path);
        context.notice(`Left out "${displayText(path)}": Everfull writes it itself`);
      },
      entry: (path, change, isFolder, size, changedWhileRead) => {
        if (isFolder)
          summary[change === 'new' ? 'dirsNew' : change === 'changed' ? 'dirsChanged' : 'dirsUnmodified']++;
        else {
          summary[
            change === 'new' ? 'filesNew' : change === 'changed' ? 'filesChanged' : 'filesUnmodified'
          ]++;
          summary.totalFilesProcessed++;
          summary.totalBytesProcessed += size;
        }
        if (changedWhileRead) {
          this.#warn(path, 'it changed while it was read');
          context.notice(`"${displayText(path)}" changed while it was read: the image has what was read`);
        }
        options.item?.({ path, change, isFolder, size });
        progress();
      },
      leaf: (files, folders, bytes) => {
        summary.filesUnmodified += files;
        summary.dirsUnmodified += folders;
        summary.totalFilesProcessed += files;
        summary.totalBytesProcessed += bytes;
        progress();
      },
      walked: () => {},
      read: (bytes) => {
        this.bytesRead += bytes;
        progress();
      },
      notice: (message) => context.notice(message),
    };
  }

  #warn(path: ByteString, message: string): void {
    if (this.warnings.length < WARNINGS_MAX)
      this.warnings.push({ path, message: byteStringFromText(message.slice(0, 1000)) });
  }

  finish(
    session: WriteSession,
    ended: number,
    seconds: number,
    imageId: string | undefined,
    stages: Record<string, number>,
  ): BackupSummary {
    const { summary } = this;
    summary.backupEnd = ended;
    summary.totalDuration = seconds;
    summary.dataAddedPacked = session.bytesStored;
    summary.imageId = imageId;
    summary.stages = stages;
    this.#context.progress({
      filesDone: summary.totalFilesProcessed,
      bytesDone: summary.totalBytesProcessed,
      errors: summary.failures,
    });
    return summary;
  }
}

function manifestBody(
  options: BackupOptions,
  paths: readonly ByteString[],
  started: number,
  ended: number,
  base: Image | undefined,
  tree: CapturedTree,
  counter: Counter,
  session: WriteSession,
): ManifestBody {
  const { summary } = counter;
  return {
    host: byteStringFromText(options.host),
    user: byteStringFromText(userInfo().username),
    name: byteStringFromText(options.name ?? ''),
    paths,
    tags: options.tags.map(byteStringFromText),
    excludes: (options.excludes ?? []).map(byteStringFromText),
    time: Math.max(0, options.time ?? started),
    started,
    ended,
    program: options.program,
    base: base?.id ?? Buffer.alloc(ID_BYTES),
    filesNew: summary.filesNew,
    filesChanged: summary.filesChanged,
    filesUnmodified: summary.filesUnmodified,
    foldersNew: summary.dirsNew,
    foldersChanged: summary.dirsChanged,
    foldersUnmodified: summary.dirsUnmodified,
    bytesProcessed: summary.totalBytesProcessed,
    filesProcessed: summary.totalFilesProcessed,
    bytesAdded: tree.counts.bytesAdded + session.nodeBytes,
    bytesAddedStored: session.bytesStored,
    warningCount: summary.failures,
    warnings: counter.warnings,
  };
}
