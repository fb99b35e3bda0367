import { type Clock, EverfullError, equalBytes, isEverfullError } from '../base/mod.ts';
import {
  type Credential,
  DomainSecrets,
  digest,
  type Keyring,
  openSlot,
  sealSlot,
  unwrapDomain,
  wrapDomain,
} from '../crypto/mod.ts';
import { type Argon2Parameters, type Config, configRecord, RECORD_BYTES_MAX } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { CONFIG, domainKeysName, SLOT_PREFIX, slotName } from './names.ts';

export interface SlotOptions {
  readonly clock: Clock;
  readonly argon2?: Argon2Parameters;
}

const SLOT_NAME_BYTES = 8;

export async function exists(store: ObjectStore, name: string): Promise<boolean> {
  try {
    await store.size(name);
    return true;
  } catch (error) {
    if (isEverfullError(error, 'object-missing')) return false;
    throw error;
  }
}

export function alreadyThere(store: ObjectStore): EverfullError {
  return new EverfullError(
    'repository-exists',
    `Could not make a repository at ${store.location}: there is one`,
    { advice: 'Use it, or choose another place.' },
  );
}

export async function readConfig(store: ObjectStore): Promise<Config> {
  try {
    return configRecord.decode(await store.get(CONFIG, { limit: RECORD_BYTES_MAX }), digest);
  } catch (error) {
    if (isEverfullError(error, 'damaged'))
      throw new EverfullError(
        'damaged',
        `Could not open the repository at ${store.location}: its configuration is damaged`,
        {
          cause: error,
          advice: `Put the file "${CONFIG}" back from a copy of the repository: it never changes, and nothing else is harmed.`,
        },
      );
    if (!isEverfullError(error, 'object-missing')) throw error;
    throw new EverfullError(
      'repository-missing',
      `Could not open the repository at ${store.location}: there is none`,
      {
        cause: error,
        advice: 'Check the place, or make a repository with: everfull -r REPO init',
      },
    );
  }
}

/**
 * The keys of a repository, opened by the first of `credentials` that fits a slot. A slot without domain
 * keys is what an init left that died or lost a race: it opens nothing.
 */
export async function openKeyring(
  store: ObjectStore,
  credentials: readonly Credential[],
  secretsId: Uint8Array,
): Promise<Keyring> {
  const damage: unknown[] = [];
  for await (const { name } of store.list(SLOT_PREFIX)) {
    try {
      const bytes = await store.get(name, { limit: RECORD_BYTES_MAX });
      for (const credential of credentials) {
        const wrappingKey = await openSlot(bytes, credential);
        if (wrappingKey === undefined) continue;
        const domain = await store.get(domainKeysName(wrappingKey.id), { limit: RECORD_BYTES_MAX });
        const keyring = unwrapDomain(wrappingKey, domain);
        if (equalBytes(new DomainSecrets(keyring.domainSecret).secretsId, secretsId)) return keyring;
      }
    } catch (error) {
      if (!isEverfullError(error, 'damaged', 'repository-newer', 'object-missing')) throw error;
      damage.push(error);
    }
  }
  const newer = damage.find((error) => isEverfullError(error, 'repository-newer'));
  if (newer !== undefined) throw newer;
  if (damage.length > 0)
    throw new EverfullError(
      'damaged',
      `Could not open the repository at ${store.location}: ${damage.length} of its key objects cannot be read and no other fits`,
      {
        cause: damage[0],
        advice:
          'Try another passphrase, the key file or the recovery code, or put the folder "keys" back from a copy of the repository.',
      },
    );
  throw new EverfullError(
    'wrong-password',
    `Could not open the repository at ${store.location}: no key slot opens with what was given`,
    { advice: 'Check the passphrase, key file or recovery code.' },
  );
}

/**
 * Puts the keys of a new repository, then its configuration, which alone decides: what an init leaves
 * that dies before, or loses a race, opens nothing. Rejects with 'repository-exists'.
 */
export async function putKeysAndConfig(
  store: ObjectStore,
  keyring: Keyring,
  config: Config,
  slots: readonly { credential: Credential; label: string }[],
  options: SlotOptions,
): Promise<void> {
  const domain = domainKeysName(keyring.wrappingKey.id);
  const names = [domain];
  await store.putIfAbsent(domain, [wrapDomain(keyring)]);
  for (const { credential, label } of slots)
    names.push(slotName(await putSlot(store, keyring, credential, label, options)));
  try {
    await store.putIfAbsent(CONFIG, [configRecord.encode(config, digest)]);
  } catch (error) {
    if (!isEverfullError(error, 'object-exists')) throw error;
    for (const name of names) await store.delete(name);
    throw alreadyThere(store);
  }
}

/** The id of the new slot. */
export async function putSlot(
  store: ObjectStore,
  keyring: Keyring,
  credential: Credential,
  label: string,
  options: SlotOptions,
): Promise<Buffer> {
  const bytes = await sealSlot(keyring.wrappingKey, credential, {
    label,
    created: options.clock.now(),
    argon2: options.argon2,
  });
  // Named by its contents, so that one in another's place is noticed.
  const id = digest(bytes).subarray(0, SLOT_NAME_BYTES);
  await store.putIfAbsent(slotName(id), [bytes]);
  return id;
}
