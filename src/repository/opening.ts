import { type Clock, EverfullError, equalBytes, isEverfullError } from '../base/mod.ts';
import {
  type Credential,
  DomainSecrets,
  digest,
  type Keyring,
  openSlot,
  sealSlot,
  unwrapDomain,
  unwrapFormerKey,
  type WrappingKey,
  wrapDomain,
} from '../crypto/mod.ts';
import {
  type Argon2Parameters,
  type Config,
  configRecord,
  formerKeyRecord,
  RECORD_BYTES_MAX,
} from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { CONFIG, domainKeysName, FORMER_KEY_PREFIX, formerKeyName, SLOT_PREFIX, slotName } from './names.ts';

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
 * keys is what an init or a rotation left that died or lost a race: it opens nothing.
 */
export async function openKeyring(
  store: ObjectStore,
  credentials: readonly Credential[],
  secretsId: Uint8Array,
): Promise<Keyring> {
  let { keyring, damage } = await tryAll(store, credentials, secretsId);
  // A rotation may have taken away what was listed, and put what was not listed yet.
  if (keyring === undefined && damage.some((error) => isEverfullError(error, 'object-missing')))
    ({ keyring, damage } = await tryAll(store, credentials, secretsId));
  if (keyring !== undefined) return keyring;
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

/** Tries every slot with every credential; what cannot be read is told beside. */
async function tryAll(
  store: ObjectStore,
  credentials: readonly Credential[],
  secretsId: Uint8Array,
): Promise<{ keyring: Keyring | undefined; damage: unknown[] }> {
  const damage: unknown[] = [];
  let former: Keyring | undefined;
  const names: string[] = [];
  for await (const { name } of store.list(SLOT_PREFIX)) names.push(name);
  for (const name of names) {
    try {
      const bytes = await store.get(name, { limit: RECORD_BYTES_MAX });
      for (const credential of credentials) {
        const wrappingKey = await openSlot(bytes, credential);
        if (wrappingKey === undefined) continue;
        const keyring = await openDomain(store, wrappingKey);
        if (!equalBytes(new DomainSecrets(keyring.domainSecret).secretsId, secretsId)) continue;
        // While slots are exchanged, or where that was cut short, another opens the key that took this one's place.
        const isFormer = names.length > 1 && (await exists(store, formerKeyName(wrappingKey.id)));
        if (!isFormer) return { keyring, damage };
        former ??= keyring;
      }
    } catch (error) {
      if (!isEverfullError(error, 'damaged', 'repository-newer', 'object-missing')) throw error;
      damage.push(error);
    }
  }
  return { keyring: former, damage };
}

/** The keyring of a wrapping key. Rejects with 'object-missing' where it has no domain keys. */
async function openDomain(store: ObjectStore, wrappingKey: WrappingKey): Promise<Keyring> {
  try {
    const domain = await store.get(domainKeysName(wrappingKey.id), { limit: RECORD_BYTES_MAX });
    return unwrapDomain(wrappingKey, domain);
  } catch (error) {
    if (!isEverfullError(error, 'object-missing')) throw error;
    // A rotation that died once it was decided: the domain keys are those of the key before.
    for await (const { name } of store.list(FORMER_KEY_PREFIX)) {
      const bytes = await store.get(name, { limit: RECORD_BYTES_MAX });
      const { wrappingKeyId } = formerKeyRecord.decode(bytes, digest).header;
      if (!equalBytes(wrappingKeyId, wrappingKey.id)) continue;
      const { domainSecret } = await openDomain(store, unwrapFormerKey(wrappingKey, bytes));
      return { wrappingKey, domainSecret };
    }
    throw error;
  }
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

/** The id of the new slot. Rejects with 'keys-rotated' where the wrapping key is a former one: the slot would open nothing. */
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
  try {
    await checkNotRotated(store, keyring.wrappingKey);
  } catch (error) {
    if (isEverfullError(error, 'keys-rotated')) await store.delete(slotName(id));
    throw error;
  }
  return id;
}

/** Rejects with 'keys-rotated' where another wrapping key took the place of this one. */
export async function checkNotRotated(store: ObjectStore, wrappingKey: WrappingKey): Promise<void> {
  if (!(await exists(store, formerKeyName(wrappingKey.id)))) return;
  throw new EverfullError(
    'keys-rotated',
    `Could not use the key that the repository at ${store.location} was opened with: the keys were rotated`,
    { advice: 'Run it again; if that does not help, open the repository with a key that the rotation kept.' },
  );
}
