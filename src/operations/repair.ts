import {
  type IndexRepair,
  type PackRepair,
  type Repository,
  type RetentionRepair,
  repairIndex as repairIndexOf,
  repairPacks as repairPacksOf,
  repairRetention as repairRetentionOf,
} from '../repository/mod.ts';
import type { StoreContext } from './context.ts';
import { throwIfInterrupted } from './reading.ts';

export type { Fault, IndexRepair, PackRepair } from '../repository/mod.ts';

export interface RepairOptions {
  /** Says what would be done, and changes nothing. */
  readonly dryRun: boolean;
}

/** Makes the retention log readable again. */
export function repairRetention(
  { store, clock }: StoreContext,
  { dryRun }: RepairOptions,
): Promise<RetentionRepair> {
  return repairRetentionOf(store, clock, { dryRun });
}

/** Makes the index say what the packs say. */
export function repairIndex(
  { store, clock, signal }: StoreContext,
  { dryRun }: RepairOptions,
): Promise<IndexRepair> {
  return repairIndexOf(store, { clock, dryRun, checkpoint: () => throwIfInterrupted(signal) });
}

/**
 * Copies what is sound in damaged packs.
 *
 * @param repository opens frames of packs without a table; undefined without a key
 */
export function repairPacks(
  context: StoreContext,
  { dryRun, repository }: RepairOptions & { readonly repository: Repository | undefined },
): Promise<PackRepair[]> {
  const { store, config, signal } = context;
  return repairPacksOf(store, {
    secretsId: config.secretsId,
    dryRun,
    open: repository && ((frame, kind, id) => repository.open(frame, kind, id)),
    checkpoint: () => throwIfInterrupted(signal),
    progress: (filesDone, filesTotal) =>
      context.progress({ filesDone, filesTotal, bytesDone: 0, current: 'packs', errors: 0 }),
  });
}
