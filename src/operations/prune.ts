import { type CollectStage, type CollectSummary, collect } from '../repository/mod.ts';
import type { StoreContext } from './context.ts';

export type { CollectSummary } from '../repository/mod.ts';

/** Waste that may stay: a part of the bytes in use, so many bytes, or any. */
export type UnusedLimit = { readonly percent: number } | { readonly bytes: number };

export interface PruneOptions {
  readonly maxUnused: UnusedLimit;
  /** Most bytes that are written anew. */
  readonly maxRepackBytes: number;
  readonly dryRun: boolean;
  /** A session whose heartbeat does not move for so long is ended. */
  readonly sessionTimeoutMs?: number | undefined;
}

const STAGES: Record<CollectStage, string> = {
  mark: 'looking for what is in use',
  copy: 'writing packs anew',
  wait: 'waiting for backups that began before',
  delete: 'deleting',
};

/** Deletes what no image uses. Needs no key. Rejects as {@link collect} does, and with 'interrupted'. */
export function prune(
  context: Pick<StoreContext, 'store' | 'clock' | 'signal' | 'progress'>,
  options: PruneOptions,
): Promise<CollectSummary> {
  const { store, clock, signal } = context;
  const { maxUnused, maxRepackBytes, dryRun, sessionTimeoutMs } = options;
  return collect(store, {
    clock,
    signal,
    dryRun,
    maxRepackBytes,
    sessionTimeoutMs,
    maxUnused: (liveBytes) =>
      'bytes' in maxUnused ? maxUnused.bytes : (liveBytes * maxUnused.percent) / 100,
    progress(stage, done, total) {
      const isBytes = stage === 'copy';
      context.progress({
        filesDone: isBytes ? 0 : done,
        filesTotal: isBytes ? undefined : total,
        bytesDone: isBytes ? done : 0,
        bytesTotal: isBytes ? total : undefined,
        current: STAGES[stage],
        errors: 0,
      });
    },
  });
}
