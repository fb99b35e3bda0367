import { type ByteString, displayText, EverfullError, isEverfullError } from '../base/mod.ts';
import type { MetadataTally } from './attributes.ts';
import { errorOf } from './failure.ts';
import { type RestoreHost, type RestoreOptions, type RestoreSummary, STAGES, type Stage } from './options.ts';
import type { TaskReport } from './tasks.ts';

/** Counts what became of each entry, and tells the host of it. */
export class Tally {
  readonly #host: RestoreHost;
  readonly #options: RestoreOptions;
  readonly #isRoot: boolean;
  readonly #stages = Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>;
  readonly #refused = new Map<string, number>();
  /** Paths whose content is not the image's: failed, or left alone. Kept for a verification only. */
  readonly notRestored = new Set<ByteString>();
  readonly #counts = {
    totalFiles: 0,
    totalBytes: 0,
    filesRestored: 0,
    bytesRestored: 0,
    filesSkipped: 0,
    bytesSkipped: 0,
    filesDeleted: 0,
    filesFailed: 0,
    filesPartial: 0,
    metadataProblems: 0,
    filesVerified: 0,
    filesDiffering: 0,
  };
  #filesTotal: number | undefined;
  #bytesTotal: number | undefined;
  #bytesFailed = 0;
  #errors = 0;
  /** What makes going on useless. */
  #fatal: EverfullError | undefined;

  constructor(host: RestoreHost, options: RestoreOptions, isRoot: boolean) {
    this.#host = host;
    this.#options = options;
    this.#isRoot = isRoot;
  }

  /** Throws 'interrupted' or 'disk-full' when the restore is to end. */
  check(): void {
    if (this.#host.signal.aborted) {
      throw new EverfullError('interrupted', 'Could not finish the restore: it was interrupted', {
        advice: 'Run it again: what is right already is not done again.',
      });
    }
    if (this.#fatal !== undefined) throw this.#fatal;
  }

  expect(files: number, bytes: number): void {
    this.#filesTotal = files;
    this.#bytesTotal = bytes;
  }

  /** An entry that is wanted. */
  found(bytes: number): void {
    this.#counts.totalFiles++;
    this.#counts.totalBytes += bytes;
  }

  /** So many entries cannot be known. */
  lost(items: number): void {
    this.#counts.totalFiles += items;
    this.#counts.filesFailed += items;
  }

  /** All entries that are wanted were found. */
  foundAll(): void {
    this.expect(this.#counts.totalFiles, this.#counts.totalBytes);
  }

  /** @param written bytes of the `bytes` that were not right already */
  restored(
    path: ByteString,
    bytes: number,
    written = bytes,
    action: 'restored' | 'updated' = 'restored',
  ): void {
    this.#counts.filesRestored++;
    this.#counts.bytesRestored += written;
    this.#counts.bytesSkipped += bytes - written;
    this.#options.onItem?.(action, path, bytes);
  }

  skipped(path: ByteString, bytes: number): void {
    this.#counts.filesSkipped++;
    this.#counts.bytesSkipped += bytes;
    this.#options.onItem?.('unchanged', path, bytes);
  }

  /** Left alone by the overwrite policy. */
  kept(path: ByteString, bytes: number): void {
    if (this.#options.verify) this.notRestored.add(path);
    this.skipped(path, bytes);
  }

  deleted(path: ByteString): void {
    this.#counts.filesDeleted++;
    this.#options.onItem?.('deleted', path, 0);
  }

  failed(path: ByteString, bytes: number, error: EverfullError, during = 'restore'): void {
    this.#counts.filesFailed++;
    this.#bytesFailed += bytes;
    if (this.#options.verify) this.notRestored.add(path);
    this.problem(path, during, error);
    if (error.code === 'disk-full') this.#fatal ??= error;
  }

  partial(): void {
    this.#counts.filesPartial++;
  }

  verified(path: ByteString, difference: string | undefined): void {
    this.#counts.filesVerified++;
    if (difference === undefined) return;
    this.#counts.filesDiffering++;
    this.problem(
      path,
      'verify',
      new EverfullError('io', `Could not verify "${displayText(path)}": ${difference}`, {
        advice: 'Restore it again; if that does not help, the target disk may be failing.',
      }),
    );
  }

  problem(path: ByteString, during: string, error: EverfullError): void {
    this.#errors++;
    this.#host.problem({ item: displayText(path), during, error });
  }

  stage(stage: Stage, ms: number): void {
    this.#stages[stage] += ms;
  }

  /** Takes in times and attributes of a task. */
  report({ decode, write, set, metadata }: TaskReport, pathOf: (index: number) => ByteString): void {
    this.#stages.decode += decode;
    this.#stages.write += write;
    this.#stages.metadata += set;
    this.metadata(metadata, pathOf);
  }

  metadata({ refused, problems }: MetadataTally, pathOf: (index: number) => ByteString): void {
    for (const [kind, count] of Object.entries(refused))
      this.#refused.set(kind, (this.#refused.get(kind) ?? 0) + count);
    for (const { index, reason } of problems) {
      this.#counts.metadataProblems++;
      const path = pathOf(index);
      this.problem(
        path,
        'metadata',
        errorOf(`set an attribute of "${displayText(path)}"`, { code: 'io', reason }),
      );
    }
  }

  progress(current?: ByteString): void {
    const { filesRestored, filesSkipped, filesFailed, bytesRestored, bytesSkipped } = this.#counts;
    this.#host.progress({
      filesDone: filesRestored + filesSkipped + filesFailed,
      bytesDone: bytesRestored + bytesSkipped + this.#bytesFailed,
      filesTotal: this.#filesTotal,
      bytesTotal: this.#bytesTotal,
      errors: this.#errors,
      current: current === undefined ? undefined : displayText(current),
    });
  }

  /** Names what was refused, once a kind, and gives the counts. */
  finish(): RestoreSummary {
    for (const [kind, count] of this.#refused) {
      const entries = count === 1 ? '1 entry' : `${count} entries`;
      if (this.#isRoot) {
        this.#counts.metadataProblems += count;
        this.#errors++;
        this.#host.problem({
          item: this.#options.target,
          during: 'metadata',
          error: new EverfullError('io', `Could not set ${kind} of ${entries}: the system refused it`, {
            advice: 'The file system of the target may not support it.',
          }),
        });
      } else {
        this.#host.notice(`${kind} of ${entries} could not be restored: only root may`);
      }
    }
    return { ...this.#counts, stages: this.#stages };
  }
}

/** An operating error that says that `path` could not be restored. */
export function restoreError(path: ByteString, error: unknown): EverfullError {
  if (!isEverfullError(error)) throw error;
  return errorOf(`restore "${displayText(path)}"`, { code: error.code, reason: error.message });
}
