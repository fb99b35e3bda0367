import { userInfo } from 'node:os';
import {
  type ByteString,
  byteStringFromText,
  type Clock,
  displayText,
  EverfullError,
  hexOf,
  isEverfullError,
} from '../base/mod.ts';
import { type CapturedTree, captureFiles, captureStream, WalkAhead, walk } from '../capture/mod.ts';
import type { Selection } from '../capture/select/mod.ts';
import type { CompressionMode } from '../chunk/mod.ts';
import { ID_BYTES, IMAGE_KIND_FILES, type ManifestBody } from '../format/mod.ts';
import { S_IFDIR, S_IFREG, StatBuffer } from '../os/mod.ts';
import { type Damage, dryRunOf, type Image, WriteSession } from '../repository/mod.ts';
import { BackupCounter, type BackupItem, type BackupSummary } from './backup-summary.ts';
import type { OperationContext } from './context.ts';
import { checkHead, rememberHead } from './heads.ts';
import { shortId } from './reading.ts';

/** Entries that are counted before other work gets its turn. */
const COUNTED_A_TURN = 1000;

/** How often a base is chosen anew that was forgotten meanwhile. */
const OPEN_TRIES = 3;

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
  /** The walk of the paths, where it has begun already. */
  readonly ahead?: WalkAhead | undefined;
  /** Told of each entry that is new or changed, and with `changed` of files that were written meanwhile. */
  item?(item: BackupItem): void;
  readonly program: string;
  /** Backs up a stream as one file, in place of the paths. */
  readonly stdin?: StreamSource | undefined;
}

export interface StreamSource {
  /** Absolute: where the file stands in the image. */
  readonly filename: ByteString;
  readonly stream: AsyncIterable<Uint8Array>;
  /** Settles after the stream's end; rejects if what was read is not to be kept. */
  readonly finished?: Promise<void> | undefined;
}

/**
 * Backs up some paths as a new image of their dataset.
 * Rejects with 'source-missing' when none of the paths exists, 'interrupted', or what the store says.
 */
export async function backup(context: OperationContext, options: BackupOptions): Promise<BackupSummary> {
  const { repository, clock } = context;
  const started = clock.now();
  const startedAt = clock.monotonic();
  const { present, missing } =
    options.stdin === undefined ? existing(options.paths, context) : { present: [], missing: [] };
  if (present.length === 0 && options.stdin === undefined) {
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
  const onDamage = (damage: Damage) =>
    context.problem({ item: damage.object, during: 'read', error: damage.error });
  const { session, base, newest } = await openSession(context, options, dataset, onDamage);
  const related = base === undefined ? newestOfEach(await repository.images(onDamage)) : [];
  await checkHead(context, dataset, newest);
  const counter = new BackupCounter(context, options);
  // The last image says about how much there is; without one it is counted while the work begins.
  if (base !== undefined)
    counter.totals = { files: base.body.filesProcessed, bytes: base.body.bytesProcessed };
  else if (context.showsProgress && options.stdin === undefined)
    countAhead(context, options, present, counter);
  let tree: CapturedTree;
  const stages: Record<string, number> = { open: clock.monotonic() - startedAt };
  try {
    tree =
      options.stdin !== undefined
        ? await captureInput(context, options, options.stdin, session, counter)
        : await captureFiles({
            repository,
            session,
            dataset,
            base,
            related,
            paths: present,
            selection: options.selection,
            leaveOut: options.leaveOut,
            ahead: options.ahead,
            force: options.force,
            dryRun: options.dryRun,
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
  // What is unchanged is an image that must exist for that.
  if (options.dryRun || (options.skipIfUnchanged && unchanged && (await repository.has(base)))) {
    tree.discard();
    // What was damaged, and was made again on the way, is worth keeping.
    await session.abort({ keep: session.damaged.size > 0 });
    return counter.finish(session, clock.now(), (clock.monotonic() - startedAt) / 1000, undefined, stages);
  }
  try {
    // The body says how much was stored, so all of it is stored before.
    await session.flush();
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
    await session.abort({ keep: false }).catch(() => {});
    throw error;
  }
}

/** A session that builds on the newest image of the dataset, or on the one that the user named. */
async function openSession(
  context: OperationContext,
  { parent, compression, dryRun }: BackupOptions,
  dataset: Uint8Array,
  onDamage: (damage: Damage) => void,
): Promise<{ session: WriteSession; base: Image | undefined; newest: Image | undefined }> {
  const { repository, clock } = context;
  const host = dryRun ? dryRunOf(repository) : repository;
  for (let attempt = 1; ; attempt++) {
    const newest = await repository.newestImage(dataset, onDamage);
    const base = parent ?? newest;
    try {
      return { session: await WriteSession.open(host, dataset, { compression, clock, base }), base, newest };
    } catch (error) {
      if (base !== undefined && parent === undefined && isEverfullError(error, 'damaged')) {
        context.problem({ item: shortId(base.id), during: 'read', error });
        return {
          session: await WriteSession.open(host, dataset, { compression, clock }),
          base: undefined,
          newest,
        };
      }
      // The newest one was forgotten at this very moment: another is the newest now.
      const mayRepeat = parent === undefined && attempt < OPEN_TRIES;
      if (!mayRepeat || !isEverfullError(error, 'image-missing')) throw error;
    }
  }
}

/**
 * Begins to look at what is to be backed up before the repository is open. Give it to {@link backup}, with
 * the same paths and rules, and stop it in the end.
 */
export function walkAhead(
  { paths, selection, leaveOut }: Pick<BackupOptions, 'paths' | 'selection' | 'leaveOut'>,
  clock: Clock,
): WalkAhead {
  return new WalkAhead({ paths, selection: selection.options, leaveOut }, clock);
}

/** Counts what there is to back up, a little at a time. What cannot be looked at is told of by the capture. */
function countAhead(
  { signal }: OperationContext,
  { selection, leaveOut }: BackupOptions,
  paths: readonly ByteString[],
  counter: BackupCounter,
): void {
  const entries = walk({
    paths,
    selection,
    leaveOut,
    failed: () => {},
    leftOut: () => {},
  });
  let files = 0;
  let bytes = 0;
  const count = () => {
    for (let i = 0; i < COUNTED_A_TURN; i++) {
      const next = signal.aborted ? undefined : entries.next();
      if (next === undefined || next.done) {
        entries.return(undefined);
        counter.totals = { files, bytes };
        return;
      }
      if (next.value.stat.type === S_IFDIR) continue;
      files++;
      if (next.value.stat.type === S_IFREG) bytes += next.value.stat.size;
    }
    setTimeout(count, 1).unref();
  };
  count();
}

/** A stream has no track log: each of its images is cut anew, and what the repository has is referenced. */
async function captureInput(
  context: OperationContext,
  options: BackupOptions,
  source: StreamSource,
  session: WriteSession,
  counter: BackupCounter,
): Promise<CapturedTree> {
  const { repository, clock, signal } = context;
  const { uid, gid } = userInfo();
  const { root, counts, length } = await captureStream({
    repository,
    session,
    filename: source.filename,
    stream: source.stream,
    uid,
    gid,
    compression: options.compression,
    threads: options.readConcurrency,
    clock,
    signal,
    read: counter.events.read,
  });
  await source.finished;
  counter.events.entry(source.filename, 'new', false, length, false);
  return { root, counts, deleted: 0, usedTrackLog: false, publish: () => {}, discard: () => {} };
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
      isThere = stat.path(path);
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

function manifestBody(
  options: BackupOptions,
  paths: readonly ByteString[],
  started: number,
  ended: number,
  base: Image | undefined,
  tree: CapturedTree,
  counter: BackupCounter,
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
    original: Buffer.alloc(ID_BYTES),
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
