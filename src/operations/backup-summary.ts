import { type ByteString, byteStringFromText, displayText, EverfullError } from '../base/mod.ts';
import type { CaptureEvents, EntryChange } from '../capture/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';

/** An entry that a backup looked at closely. */
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
  /** Damaged chunks that were stored anew, and those that could not be. */
  chunksHealed: number;
  chunksLost: number;
  stages: Record<string, number>;
}

/** Most warnings that a manifest keeps. */
const WARNINGS_MAX = 1000;

/** Counts what the capture tells, and passes it on. */
export class BackupCounter {
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
    chunksHealed: 0,
    chunksLost: 0,
    stages: {},
  };
  readonly events: CaptureEvents;
  bytesRead = 0;
  #bytesUnmodified = 0;
  /** How much there is to do, as far as it is known. */
  totals: { readonly files: number; readonly bytes: number } | undefined;

  constructor(context: OperationContext, options: { item?(item: BackupItem): void }) {
    this.#context = context;
    const { summary } = this;
    const progress = (current?: string) =>
      context.progress({
        filesDone: summary.totalFilesProcessed,
        // Long files are seen to move on, although they count when they are done.
        bytesDone: Math.max(summary.totalBytesProcessed, this.bytesRead + this.#bytesUnmodified),
        filesTotal:
          this.totals === undefined ? undefined : Math.max(this.totals.files, summary.totalFilesProcessed),
        bytesTotal:
          this.totals === undefined ? undefined : Math.max(this.totals.bytes, summary.totalBytesProcessed),
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
        this.#bytesUnmodified += bytes;
        progress();
      },
      walked: () => {},
      read: (bytes) => {
        this.bytesRead += bytes;
        progress();
      },
      notice: (message) => context.notice(message),
      healed: (chunks, lost) => {
        summary.chunksHealed = chunks;
        summary.chunksLost = lost;
      },
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
