import type { ByteString, EverfullError } from '../base/mod.ts';
import type { Image, Repository } from '../repository/mod.ts';

/**
 * What happens to a file that is there already:
 * - `always`: its content is compared, and only what differs is written;
 * - `if-changed`: the same, but equal size and modification time count as equal content;
 * - `if-newer`: it is left alone unless the image's file has a later modification time;
 * - `never`: it is left alone.
 */
export const OVERWRITE_POLICIES = ['always', 'if-changed', 'if-newer', 'never'] as const;
export type OverwritePolicy = (typeof OVERWRITE_POLICIES)[number];

/** What to do with a path of the image: restore it; look below it. A folder is also made for what is below it. */
export type Select = (
  path: ByteString,
  isFolder: boolean,
) => { readonly selected: boolean; readonly descend: boolean };

/** What became of one entry, for those who want to name each. */
export type ItemAction = 'restored' | 'updated' | 'unchanged' | 'deleted';

export interface RestoreOptions {
  readonly image: Image;
  /** Undefined: the whole image, each path below the target. Else what is below `path`; or the file `path` itself. */
  readonly path: ByteString | undefined;
  /** A folder, made if it is missing. */
  readonly target: string;
  readonly select: Select;
  readonly overwrite: OverwritePolicy;
  /** Remove what the image does not have, in folders that it holds whole. */
  readonly delete: boolean;
  /** How many leading components of each path are dropped; entries with no more than that are left out. */
  readonly strip: number;
  /** Keep the sound ranges of a file that cannot be restored whole, as NAME.partial. */
  readonly partial: boolean;
  /** Read everything back afterwards. */
  readonly verify: boolean;
  /** Look, count and write nothing. */
  readonly dryRun: boolean;
  /** Told of each entry; `path` is that in the image. */
  readonly onItem?: ((action: ItemAction, path: ByteString, bytes: number) => void) | undefined;
}

/** Counts of entries (files, folders and all others) and of bytes of content. */
export interface RestoreSummary {
  readonly totalFiles: number;
  readonly totalBytes: number;
  readonly filesRestored: number;
  /** Bytes of the files restored; of a file that was there already, those that were written. */
  readonly bytesRestored: number;
  /** Right already, or left alone by the overwrite policy. */
  readonly filesSkipped: number;
  readonly bytesSkipped: number;
  readonly filesDeleted: number;
  readonly filesFailed: number;
  /** Of the failed ones, those of which NAME.partial was kept. */
  readonly filesPartial: number;
  /** Attributes that could not be set and should have been. */
  readonly metadataProblems: number;
  readonly filesVerified: number;
  /** Of the verified ones, those that differ from the image. */
  readonly filesDiffering: number;
  /** Where time went, in ms summed over threads. */
  readonly stages: Readonly<Record<Stage, number>>;
}

export const STAGES = [
  'plan',
  'fetch',
  'examine',
  'decode',
  'write',
  'metadata',
  'links',
  'folders',
  'verify',
] as const;
export type Stage = (typeof STAGES)[number];

/** What a restore is given by the operation that runs it. */
export interface RestoreHost {
  readonly repository: Repository;
  /** Aborted: work under way is ended, nothing new is begun, and the restore rejects with 'interrupted'. */
  readonly signal: AbortSignal;
  progress(progress: {
    readonly filesDone: number;
    readonly bytesDone: number;
    readonly filesTotal?: number | undefined;
    readonly bytesTotal?: number | undefined;
    readonly current?: string | undefined;
    readonly errors: number;
  }): void;
  problem(problem: { readonly item: string; readonly during: string; readonly error: EverfullError }): void;
  notice(message: string): void;
}
