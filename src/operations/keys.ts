import { EverfullError, isEverfullError } from '../base/mod.ts';
import { type Credential, describeSlot, openSlot, type SlotDescription } from '../crypto/mod.ts';
import { RECORD_BYTES_MAX } from '../format/mod.ts';
import { SLOT_PREFIX } from '../repository/mod.ts';
import type { ObjectStore } from '../store/mod.ts';

/** A key slot as it stands in the store. */
export interface KeySlot {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly description: SlotDescription | undefined;
  /** Why there is no description. */
  readonly damage: EverfullError | undefined;
  /** Whether one of the given credentials opens it. */
  readonly current: boolean;
}

/**
 * All key slots, oldest first, those that cannot be read last.
 *
 * @param credentials what the repository was opened with
 */
export async function listKeys(store: ObjectStore, credentials: readonly Credential[]): Promise<KeySlot[]> {
  const found: { id: string; bytes: Uint8Array; description?: SlotDescription; damage?: EverfullError }[] =
    [];
  for await (const { name } of store.list(SLOT_PREFIX)) {
    const id = name.slice(SLOT_PREFIX.length);
    let bytes: Uint8Array = Buffer.alloc(0);
    try {
      bytes = await store.get(name, { limit: RECORD_BYTES_MAX });
      found.push({ id, bytes, description: describeSlot(bytes) });
    } catch (error) {
      if (isEverfullError(error, 'object-missing')) continue;
      if (!isEverfullError(error, 'damaged', 'repository-newer', 'limit', 'unsupported')) throw error;
      found.push({ id, bytes, damage: error });
    }
  }
  const fitting = found.filter(({ description }) =>
    credentials.some(({ kind }) => kind === description?.kind),
  );
  const slots: KeySlot[] = [];
  for (const { id, bytes, description, damage } of found) {
    let current = false;
    // One of the slots opened. Where only one is of the kind, it need not be opened again, which takes time.
    if (fitting.length === 1) current = fitting[0]!.id === id;
    else if (description !== undefined) current = await opensWith(bytes, credentials);
    slots.push({ id, description, damage, current });
  }
  return slots.sort(
    (a, b) =>
      (a.description?.created ?? Number.POSITIVE_INFINITY) -
        (b.description?.created ?? Number.POSITIVE_INFINITY) || (a.id < b.id ? -1 : 1),
  );
}

async function opensWith(bytes: Uint8Array, credentials: readonly Credential[]): Promise<boolean> {
  for (const credential of credentials) {
    if ((await openSlot(bytes, credential)) !== undefined) return true;
  }
  return false;
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
 * Removes the slots that `credentials` open, except `keep`: the end of a change of password, once the new
 * slot stands. The ids that are gone.
 */
export async function retireKeys(
  store: ObjectStore,
  credentials: readonly Credential[],
  keep: string,
): Promise<string[]> {
  const slots = await listKeys(store, credentials);
  const old = slots.filter(({ current, id }) => current && id !== keep).map(({ id }) => id);
  for (const id of old) await store.delete(SLOT_PREFIX + id);
  return old;
}
