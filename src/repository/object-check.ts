import { EverfullError, equalBytes } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  condemnedRecord,
  configRecord,
  damagedRecord,
  dataKeyRecord,
  decodeManifestHeader,
  domainKeysRecord,
  endpointRecord,
  formerKeyRecord,
  keySlotRecord,
  manifestRecord,
  retentionRecord,
  sessionBeatRecord,
  sessionEndRecord,
  sessionOpenRecord,
  sessionReadRecord,
  storeRecord,
} from '../format/mod.ts';
import {
  CONDEMNED_PREFIX,
  CONFIG,
  condemnedName,
  DAMAGED_PREFIX,
  DATA_KEY_PREFIX,
  DOMAIN_PREFIX,
  damagedName,
  dataKeyName,
  domainKeysName,
  ENDPOINT_PREFIX,
  endpointName,
  FORMER_KEY_PREFIX,
  formerKeyName,
  MANIFEST_PREFIX,
  manifestName,
  RETENTION_PREFIX,
  retentionName,
  SESSION_PREFIX,
  SLOT_PREFIX,
  STORE,
  sessionBeatName,
  sessionEndName,
  sessionOpenName,
  sessionReadName,
  slotName,
} from './names.ts';

/** Where an object should stand by what is in it. Throws what its codec throws. */
type NameOf = (bytes: Uint8Array) => string;

const SESSION_OBJECTS: Readonly<Record<string, NameOf>> = {
  open: (bytes) => sessionOpenName(sessionOpenRecord.decode(bytes, digest).session),
  read: (bytes) => sessionReadName(sessionReadRecord.decode(bytes, digest).session),
  beat: (bytes) => sessionBeatName(sessionBeatRecord.decode(bytes, digest).session),
  end: (bytes) => sessionEndName(sessionEndRecord.decode(bytes, digest).session),
};

/** By name or the prefix of names, the small objects that have a digest of their own. */
const OBJECTS: readonly (readonly [prefix: string, nameOf: (name: string) => NameOf | undefined])[] = [
  [CONFIG, () => configNameOf],
  [STORE, () => storeNameOf],
  [
    DOMAIN_PREFIX,
    () => (bytes) => domainKeysName(domainKeysRecord.decode(bytes, digest).header.wrappingKeyId),
  ],
  [SLOT_PREFIX, () => slotNameOf],
  [
    FORMER_KEY_PREFIX,
    () => (bytes) => formerKeyName(formerKeyRecord.decode(bytes, digest).header.formerKeyId),
  ],
  [DATA_KEY_PREFIX, () => (bytes) => dataKeyName(dataKeyRecord.decode(bytes, digest).header.dataKeyId)],
  [ENDPOINT_PREFIX, () => (bytes) => endpointName(endpointRecord.decode(bytes, digest).header.endpointId)],
  [MANIFEST_PREFIX, () => manifestNameOf],
  [SESSION_PREFIX, (name) => SESSION_OBJECTS[name.slice(name.lastIndexOf('.') + 1)]],
  [RETENTION_PREFIX, () => (bytes) => retentionName(retentionRecord.decode(bytes, digest).number)],
  [CONDEMNED_PREFIX, () => (bytes) => condemnedName(condemnedRecord.decode(bytes, digest).run)],
  [DAMAGED_PREFIX, () => (bytes) => damagedName(damagedRecord.decode(bytes, digest).verification)],
];

/** The prefixes below which {@link checkObject} knows what it finds. */
export const CHECKED_PREFIXES: readonly string[] = OBJECTS.map(([prefix]) => prefix);

/**
 * Checks a small object, no pack and no index segment, against its digest and its name, without a key.
 * Throws 'damaged', 'forged', or what else its codec throws. Nothing is said of names that mean nothing.
 */
export function checkObject(name: string, bytes: Uint8Array): void {
  const nameOf = OBJECTS.find(([prefix]) => name.startsWith(prefix))?.[1](name);
  if (nameOf !== undefined && nameOf(bytes) !== name)
    throw new EverfullError('forged', `Could not accept "${name}": it was made for another place`);
}

function configNameOf(bytes: Uint8Array): string {
  configRecord.decode(bytes, digest);
  return CONFIG;
}

function storeNameOf(bytes: Uint8Array): string {
  storeRecord.decode(bytes, digest);
  return STORE;
}

/** Named by the beginning of its own digest. */
function slotNameOf(bytes: Uint8Array): string {
  keySlotRecord.decode(bytes, digest);
  return slotName(digest(bytes).subarray(0, 8));
}

function manifestNameOf(bytes: Uint8Array): string {
  const { header, body } = manifestRecord.decode(bytes, digest);
  const { dataset, sequence, bodyDigest } = decodeManifestHeader(header);
  const name = manifestName(dataset, sequence);
  if (!equalBytes(digest(body), bodyDigest))
    throw new EverfullError('damaged', `Could not read manifest ${name}: its body does not match its digest`);
  return name;
}
