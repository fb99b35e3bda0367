import { bytesFromHex, equalBytes, hexOf } from '../../base/mod.ts';
import { describeSlot, digest, unwrapDomain } from '../../crypto/mod.ts';
import { configRecord, RECORD_BYTES_MAX } from '../../format/mod.ts';
import {
  CONFIG,
  dataKeyName,
  domainKeysName,
  endpointName,
  formerKeyName,
  type Repository,
  slotName,
} from '../../repository/mod.ts';
import type { Findings } from './findings.ts';
import type { Inventory } from './inventory.ts';

/** The data keys that open, by id in hexadecimal. */
export type DataKeys = ReadonlyMap<string, Uint8Array>;

const LEFT_BY_INIT =
  'it belongs to other keys: an init left it that died, or that lost a race; it opens nothing';

const OF_A_FORMER_KEY =
  'it belongs to a key that a rotation replaced, and which was not finished: run everfull key rotate again';

/** Checks configuration, domain keys, slots, former keys, endpoints and data keys: each opens, and is what its name says. */
export async function checkKeys(
  repository: Repository,
  inventory: Inventory,
  findings: Findings,
): Promise<DataKeys> {
  const { store, keyring, keys, secrets } = repository;
  const read = (name: string) => store.get(name, { limit: RECORD_BYTES_MAX });
  await findings.guard(CONFIG, async () => {
    const { secretsId } = configRecord.decode(await read(CONFIG), digest);
    if (!equalBytes(secretsId, secrets.secretsId)) findings.forged(CONFIG, 'it belongs to other keys');
  });
  const former = new Set(inventory.ids.former);
  const why = (wrappingKeyId: string) => (former.has(wrappingKeyId) ? OF_A_FORMER_KEY : LEFT_BY_INIT);
  const domain = domainKeysName(keyring.wrappingKey.id);
  // The repository opened: where they are missing after a rotation, those of the key before served.
  const isUnfinished = former.size > 0 && !inventory.ids.domain.includes(hexOf(keyring.wrappingKey.id));
  await findings.guard(domain, async () => {
    if (isUnfinished) return;
    const { domainSecret } = unwrapDomain(keyring.wrappingKey, await read(domain));
    if (!equalBytes(domainSecret, keyring.domainSecret))
      findings.forged(domain, 'they are those of another repository');
  });
  for (const id of former) {
    const name = formerKeyName(bytesFromHex(id));
    await findings.guard(name, async () => {
      const key = await keys.of(bytesFromHex(id));
      if (hexOf(key.id) !== id) findings.forged(name, `it is wrapping key ${hexOf(key.id)}`);
    });
  }
  for (const id of inventory.ids.domain) {
    const name = domainKeysName(bytesFromHex(id));
    if (name !== domain) findings.note(name, why(id));
  }
  for (const id of inventory.ids.slot) {
    const name = slotName(bytesFromHex(id));
    await findings.guard(name, async () => {
      const bytes = await read(name);
      const { wrappingKeyId } = describeSlot(bytes);
      if (!hexOf(digest(bytes)).startsWith(id))
        findings.forged(name, 'it is another slot than its name says');
      if (wrappingKeyId !== hexOf(keyring.wrappingKey.id)) findings.note(name, why(wrappingKeyId));
    });
  }
  for (const id of inventory.ids.endpoint) {
    const name = endpointName(bytesFromHex(id));
    await findings.guard(name, async () => {
      const endpoint = await keys.endpoint(secrets, await read(name));
      if (hexOf(endpoint.id) !== id) findings.forged(name, `it is endpoint ${hexOf(endpoint.id)}`);
    });
  }
  const dataKeys = new Map<string, Uint8Array>();
  for (const id of inventory.ids.dataKey) {
    const name = dataKeyName(bytesFromHex(id));
    await findings.guard(name, async () => {
      const dataKey = await keys.dataKey(await read(name));
      if (hexOf(dataKey.id) === id) dataKeys.set(id, dataKey.key);
      else findings.forged(name, `it is data key ${hexOf(dataKey.id)}`);
    });
  }
  return dataKeys;
}
