import { type Clock, type EverfullError, equalBytes, isEverfullError } from '../base/mod.ts';
import {
  type Credential,
  createWrappingKey,
  describeSlot,
  digest,
  type Keyring,
  rewrapEndpoint,
  unwrapDataKey,
  type WrappingKey,
  wrapDataKey,
  wrapDomain,
  wrapFormerKey,
} from '../crypto/mod.ts';
import { type Argon2Parameters, dataKeyRecord, endpointRecord, RECORD_BYTES_MAX } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { eachAtOnce } from './chunk-index.ts';
import {
  DATA_KEY_PREFIX,
  DOMAIN_PREFIX,
  domainKeysName,
  ENDPOINT_PREFIX,
  FORMER_KEY_PREFIX,
  formerKeyName,
  SLOT_PREFIX,
  slotName,
} from './names.ts';
import { checkNotRotated, putSlot } from './opening.ts';
import { WrappingKeys } from './wrapping-keys.ts';

/** A slot of the new key. */
export interface RotatedSlot {
  readonly credential: Credential;
  readonly label: string;
  readonly argon2: Argon2Parameters | undefined;
}

export interface Rotation {
  /** The new slots, in the order in which they were asked for. */
  readonly slots: readonly Buffer[];
  /** The ids of the slots that are gone, hexadecimal. */
  readonly removed: readonly string[];
  /** How many data keys and endpoints are sealed by the new key now. */
  readonly rewrapped: number;
  /** Key objects that could not be read, and stay as they are. */
  readonly damaged: readonly { readonly object: string; readonly error: EverfullError }[];
}

/**
 * Puts a new wrapping key in the place of the one that the repository is open with; only `slots` open it.
 *
 * May be stopped at any moment. Up to the put of the former key nothing has changed; from then on the new
 * slots open everything, and running it again does what is left. Rejects with 'keys-rotated' where somebody
 * else rotated first. `docs/decisions/0026-rotation.md`
 */
export async function rotateKeys(
  store: ObjectStore,
  { wrappingKey, domainSecret }: Keyring,
  slots: readonly RotatedSlot[],
  clock: Clock,
): Promise<Rotation> {
  await checkNotRotated(store, wrappingKey);
  if (slots.length === 0) throw new Error('a wrapping key without a slot would be lost');
  const keyring: Keyring = { wrappingKey: createWrappingKey(), domainSecret };
  const ids: Buffer[] = [];
  for (const { credential, label, argon2 } of slots)
    ids.push(
      await putSlot(store, keyring, credential, label, { clock, ...(argon2 !== undefined && { argon2 }) }),
    );
  await decide(store, wrappingKey, keyring.wrappingKey, ids);
  await store.putIfAbsent(domainKeysName(keyring.wrappingKey.id), [wrapDomain(keyring)]);
  // First whoever comes later is made to open the new key: the old one will not open what is sealed anew.
  const removed = await removeFormer(store);
  const { rewrapped, damaged } = await rewrapAll(store, new WrappingKeys(store, keyring.wrappingKey));
  return { slots: ids, removed, rewrapped, damaged };
}

/** The one put that counts: of two rotations at once the second finds the object there and gives up. */
async function decide(
  store: ObjectStore,
  former: WrappingKey,
  next: WrappingKey,
  slots: readonly Uint8Array[],
): Promise<void> {
  const name = formerKeyName(former.id);
  const bytes = wrapFormerKey(next, former);
  try {
    await store.putIfAbsent(name, [bytes]);
  } catch (error) {
    if (!isEverfullError(error, 'object-exists')) throw error;
    // The answer to a put that took effect may have been lost.
    if (equalBytes(await store.get(name, { limit: RECORD_BYTES_MAX }), bytes)) return;
    for (const id of slots) await store.delete(slotName(id));
    await checkNotRotated(store, former);
  }
}

/** Deletes the slots and the domain keys of all former keys. The ids of the slots. */
async function removeFormer(store: ObjectStore): Promise<string[]> {
  const former = new Set(await idsBelow(store, FORMER_KEY_PREFIX));
  const removed: string[] = [];
  for (const id of await idsBelow(store, SLOT_PREFIX)) {
    try {
      const bytes = await store.get(SLOT_PREFIX + id, { limit: RECORD_BYTES_MAX });
      if (!former.has(describeSlot(bytes).wrappingKeyId)) continue;
    } catch (error) {
      // Whatever key a slot of an unknown kind holds, it leads to no domain keys any more.
      if (isEverfullError(error, 'object-missing', 'repository-newer', 'unsupported')) continue;
      if (!isEverfullError(error, 'damaged', 'limit')) throw error;
    }
    removed.push(id);
  }
  const domains = (await idsBelow(store, DOMAIN_PREFIX)).filter((id) => former.has(id));
  await store.deleteDurably([
    ...removed.map((id) => SLOT_PREFIX + id),
    ...domains.map((id) => DOMAIN_PREFIX + id),
  ]);
  return removed;
}

/** Seals every data key and endpoint with the current key that another one sealed. */
async function rewrapAll(
  store: ObjectStore,
  keys: WrappingKeys,
): Promise<Pick<Rotation, 'rewrapped' | 'damaged'>> {
  const { current } = keys;
  const damaged: { object: string; error: EverfullError }[] = [];
  let rewrapped = 0;
  const rewrap = async (prefix: string, again: (bytes: Uint8Array) => Promise<Buffer | undefined>) => {
    const names = (await idsBelow(store, prefix)).map((id) => prefix + id);
    await eachAtOnce(names, async (name) => {
      try {
        const bytes = await again(await store.get(name, { limit: RECORD_BYTES_MAX }));
        if (bytes === undefined) return;
        await store.replace(name, [bytes]);
        rewrapped++;
      } catch (error) {
        if (isEverfullError(error, 'object-missing')) return;
        if (!isEverfullError(error, 'damaged', 'repository-newer', 'limit')) throw error;
        damaged.push({ object: name, error });
      }
    });
  };
  await rewrap(ENDPOINT_PREFIX, async (bytes) => {
    const { wrappingKeyId } = endpointRecord.decode(bytes, digest).header;
    if (equalBytes(wrappingKeyId, current.id)) return undefined;
    return rewrapEndpoint(await keys.of(wrappingKeyId), current, bytes);
  });
  await rewrap(DATA_KEY_PREFIX, async (bytes) => {
    const { wrappingKeyId } = dataKeyRecord.decode(bytes, digest).header;
    if (equalBytes(wrappingKeyId, current.id)) return undefined;
    return wrapDataKey(current, unwrapDataKey(await keys.of(wrappingKeyId), bytes));
  });
  return { rewrapped, damaged };
}

/** What follows the prefix in the names of all objects. */
async function idsBelow(store: ObjectStore, prefix: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { name } of store.list(prefix)) ids.push(name.slice(prefix.length));
  return ids;
}
