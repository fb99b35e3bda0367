import { EverfullError } from '../base/mod.ts';
import { type Credential, openSlot } from '../crypto/mod.ts';
import { RECORD_BYTES_MAX } from '../format/mod.ts';
import { type RotatedSlot, type Rotation, rotateKeys, SLOT_PREFIX } from '../repository/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import type { OperationContext } from './context.ts';
import { type KeySlot, listKeys } from './keys.ts';

export interface RotateOptions {
  /** What the repository was opened with. */
  readonly credentials: readonly Credential[];
  /** What else is to open it afterwards. */
  readonly also: readonly Credential[];
  /** Whether keys may go whose secrets are not among these. */
  readonly dropOthers: boolean;
}

export interface RotationSummary {
  /** Each key that stays, and the id of its new slot. */
  readonly kept: readonly { readonly before: KeySlot; readonly id: string }[];
  readonly removed: readonly string[];
  readonly rewrapped: number;
}

/**
 * Puts a new wrapping key in the place of the one that all keys open. Those keys stay whose secrets are at
 * hand. Rejects with 'usage' where others would go and `dropOthers` does not allow it, or where a secret of
 * `also` opens none, and with 'keys-rotated' where somebody else came first; nothing has changed then.
 */
export async function rotate(
  context: OperationContext,
  { credentials, also, dropOthers }: RotateOptions,
): Promise<RotationSummary> {
  const { repository, clock } = context;
  const { store, keyring, keys } = repository;
  const slots = (await listKeys(store, credentials)).filter(
    // Those of other wrapping keys open nothing, or are gone in a moment.
    ({ description }) =>
      description === undefined || description.wrappingKeyId === keys.current.id.toString('hex'),
  );
  const kept: (RotatedSlot & { readonly before: KeySlot })[] = [];
  const others: KeySlot[] = [];
  const used = new Set<Credential>();
  for (const before of slots) {
    const credential = await fitting(store, before, [...credentials, ...also]);
    if (credential === undefined) others.push(before);
    else {
      used.add(credential);
      const { label, argon2 } = before.description!;
      kept.push({ before, credential, label, argon2 });
    }
  }
  if (also.some((credential) => !used.has(credential)))
    throw new EverfullError('usage', 'Could not rotate the keys: a secret of those to keep opens no key', {
      advice: 'Check it, or add it first: everfull key add',
    });
  if (others.length > 0 && !dropOthers)
    throw new EverfullError(
      'usage',
      `Could not rotate the keys: without their secrets these would be removed: ${others.map(nameOf).join(', ')}`,
      {
        advice:
          'Give their secrets with --also-password-file, --also-key-file or --also-recovery-file; or have them removed with --yes.',
      },
    );
  const rotation: Rotation = await rotateKeys(store, keyring, kept, clock);
  for (const { object, error } of rotation.damaged)
    context.problem({ item: object, during: 'rotate', error });
  const before = new Set(kept.map((slot) => slot.before.id));
  return {
    kept: kept.map((slot, i) => ({ before: slot.before, id: rotation.slots[i]!.toString('hex') })),
    removed: rotation.removed.filter((id) => !before.has(id)),
    rewrapped: rotation.rewrapped,
  };
}

async function fitting(
  store: ObjectStore,
  { id, description }: KeySlot,
  credentials: readonly Credential[],
): Promise<Credential | undefined> {
  if (description === undefined) return undefined;
  const bytes = await store.get(SLOT_PREFIX + id, { limit: RECORD_BYTES_MAX });
  for (const credential of credentials)
    if ((await openSlot(bytes, credential)) !== undefined) return credential;
  return undefined;
}

function nameOf({ id, description }: KeySlot): string {
  return description === undefined ? `${id} (damaged)` : `${id} ("${description.label}")`;
}
