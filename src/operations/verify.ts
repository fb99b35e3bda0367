import { type FoundDamage, type VerifyReport, verifyPacks } from '../repository/mod.ts';
import type { StoreContext } from './context.ts';
import { VerifiedPacksFile } from './verified-packs.ts';

export type { FoundDamage, VerifyReport } from '../repository/mod.ts';

export interface VerifyOptions {
  /** Packs that this machine found sound at this time or after it are passed over; ms since 1970. */
  readonly after?: number | undefined;
  /** No pack is begun once so many bytes of packs were read. */
  readonly budgetBytes?: number | undefined;
  onDamage(damage: FoundDamage): void;
}

/**
 * Verifies what is stored, those packs first that this machine verified longest ago, and records the damage.
 * Rejects with 'interrupted'; what was verified by then is known the next time.
 */
export async function verify(context: StoreContext, options: VerifyOptions): Promise<VerifyReport> {
  const { store, clock, signal, stateFolder } = context;
  const verified =
    stateFolder === undefined
      ? undefined
      : new VerifiedPacksFile(stateFolder, (message) => context.notice(message));
  try {
    return await verifyPacks(store, {
      ...options,
      clock,
      signal,
      verified,
      progress: ({ packsDone, packsTotal, bytesDone, bytesTotal, errors }) =>
        context.progress({
          filesDone: packsDone,
          filesTotal: packsTotal,
          bytesDone,
          bytesTotal,
          errors,
          current: 'packs',
        }),
    });
  } finally {
    verified?.keep();
  }
}
