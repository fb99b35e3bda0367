import type { Clock } from '../base/mod.ts';
import { type Credential, createRecoverySecret, formatRecoveryCode, SlotKind } from '../crypto/mod.ts';
import { Repository } from '../repository/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { tryStore } from './store-trial.ts';

/** A key slot to be made. */
export interface NewKey {
  readonly credential: Credential;
  /** For people: whose key it is. */
  readonly label: string;
}

export interface InitOptions {
  /** At least one. */
  readonly keys: readonly NewKey[];
  /** Make a recovery code too; who asks for it must show it. */
  readonly recovery: boolean;
  readonly clock: Clock;
  /** Makes a repository with the same secrets as this one: images can be exported to it. */
  readonly secretsOf?: Repository | undefined;
}

export interface NewRepository {
  readonly repository: Repository;
  /** To be shown once; it is stored nowhere. */
  readonly recoveryCode: string | undefined;
}

export const RECOVERY_LABEL = 'recovery code';

/**
 * Makes a repository in a store. Rejects with 'repository-exists', and with 'unsupported' where the store
 * does not keep what it must: see {@link tryStore}.
 */
export async function init(
  store: ObjectStore,
  { keys, recovery, clock, secretsOf }: InitOptions,
): Promise<NewRepository> {
  if (keys.length === 0) throw new Error('a repository needs a key');
  const code = recovery ? newRecoveryCode() : undefined;
  const slots = code === undefined ? keys : [...keys, { credential: code.credential, label: RECOVERY_LABEL }];
  await tryStore(store, clock);
  const repository = await Repository.create(store, slots, { clock, secretsOf });
  return { repository, recoveryCode: code?.text };
}

/** A new recovery code, as a credential and as people write it. */
export function newRecoveryCode(): { readonly credential: Credential; readonly text: string } {
  const secret = createRecoverySecret();
  return { credential: { kind: SlotKind.recovery, secret }, text: formatRecoveryCode(secret) };
}
