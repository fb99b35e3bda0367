import { type Clock, EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { type Credential, describeSlot, openSlot, type SlotDescription } from '../crypto/mod.ts';
import { RECORD_BYTES_MAX } from '../format/mod.ts';
import { type Repository, SLOT_PREFIX } from '../repository/mod.ts';
import type { ObjectStore } from '../store/mod.ts';

/** A key slot as it stands in the store. */
export interface KeySlot {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly description: SlotDescription | undefined;
  /** Why there is no description. */
  readonly damage: EverfullError | undefined;
  /** Whether the repository was opened with it. */
  readonly current: boolean;
}

interface FoundSlot {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly description: SlotDescription | undefined;
  readonly damage: EverfullError | undefined;
}

/**
 * All key slots, oldest first, those that cannot be read last.
 *
 * @param credentials what the repository was opened with
 */
export async function listKeys(store: ObjectStore, credentials: readonly Credential[]): Promise<KeySlot[]> {
  const found: FoundSlot[] = [];
  for await (const { name } of store.list(SLOT_PREFIX)) {
    const id = name.slice(SLOT_PREFIX.length);
    let bytes: Uint8Array = Buffer.alloc(0);
    try {
      bytes = await store.get(name, { limit: RECORD_BYTES_MAX });
      found.push({ id, bytes, description: describeSlot(bytes), damage: undefined });
    } catch (error) {
      if (isEverfullError(error, 'object-missing')) continue;
      if (!isEverfullError(error, 'damaged', 'repository-newer', 'limit', 'unsupported')) throw error;
      found.push({ id, bytes, description: undefined, damage: error });
    }
  }
  const current = await slotInUse(found, credentials);
  const slots = found.map(({ id, description, damage }) => ({
    id,
    description,
    damage,
    current: id === current,
  }));
  return slots.sort(
    (a, b) =>
      (a.description?.created ?? Number.POSITIVE_INFINITY) -
        (b.description?.created ?? Number.POSITIVE_INFINITY) || (a.id < b.id ? -1 : 1),
  );
}

/** The id of the first slot that a credential opens: where only one is of the kind, it need not be opened again, which takes time. */
async function slotInUse(
  found: readonly FoundSlot[],
  credentials: readonly Credential[],
): Promise<string | undefined> {
  const fitting = found.filter(({ description }) =>
    credentials.some(({ kind }) => kind === description?.kind),
  );
  if (fitting.length === 1) return fitting[0]!.id;
  for (const { id, bytes } of fitting) {
    for (const credential of credentials) {
      if ((await openSlot(bytes, credential)) !== undefined) return id;
    }
  }
  return undefined;
}

/**
 * Removes the slot whose id begins with `id`. Who has its secret cannot open the repository with it any
 * more, unless they kept the wrapping key. Rejects with 'usage' for an id that fits none or several, for
 * the last slot, and for the one in use: nobody would notice in time that the others do not open.
 */
export async function removeKey(
  store: ObjectStore,
  credentials: readonly Credential[],
  id: string,
): Promise<KeySlot> {
  const slots = await listKeys(store, credentials);
  const matches = id === '' ? [] : slots.filter((slot) => slot.id.startsWith(id.toLowerCase()));
  const [slot] = matches;
  if (slot === undefined || matches.length > 1) {
    throw new EverfullError(
      'usage',
      `Could not remove the key "${id}": ${matches.length} keys have such an id`,
      {
        advice: 'See the ids with: everfull key list',
      },
    );
  }
  if (
    slots.filter(({ description }) => description !== undefined).length < 2 &&
    slot.description !== undefined
  ) {
    throw new EverfullError('usage', `Could not remove the key ${slot.id}: it is the last one`, {
      advice: 'Without it nothing could be restored. Add another key first: everfull key add',
    });
  }
  if (slot.current) {
    throw new EverfullError('usage', `Could not remove the key ${slot.id}: the repository is open with it`, {
      advice: 'Open the repository with another key, or replace this one: everfull key passwd',
    });
  }
  await store.delete(SLOT_PREFIX + slot.id);
  return slot;
}

/**
 * Puts another key in the place of the one in use: the new slot stands before the old one is removed.
 * Without a label the new one is called as the old one was. The new slot's id.
 */
export async function replaceKey(
  repository: Repository,
  credentials: readonly Credential[],
  {
    credential,
    label,
    clock,
  }: { readonly credential: Credential; readonly label: string | undefined; readonly clock: Clock },
): Promise<string> {
  const used = (await listKeys(repository.store, credentials)).find(({ current }) => current);
  if (used === undefined) throw new Error('a repository is open, and no key opens it');
  const id = await repository.addSlot(credential, label ?? used.description!.label, { clock });
  await repository.store.delete(SLOT_PREFIX + used.id);
  return hexOf(id);
}
