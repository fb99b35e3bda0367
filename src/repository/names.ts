import { hexOf } from '../base/mod.ts';

/** Where each kind of object stands in a store. `docs/format/repository.md` */
export const CONFIG = 'config';
export const STORE = 'store';
export const DOMAIN_PREFIX = 'keys/domain/';
export const SLOT_PREFIX = 'keys/slot/';
export const FORMER_KEY_PREFIX = 'keys/wrapping/';
export const DATA_KEY_PREFIX = 'keys/data/';
export const ENDPOINT_PREFIX = 'endpoints/';
export const PACK_PREFIX = 'packs/';
export const INDEX_PREFIX = 'index/';
export const MANIFEST_PREFIX = 'manifests/';
export const SESSION_PREFIX = 'sessions/';
export const RETENTION_PREFIX = 'retention/';
export const CONDEMNED_PREFIX = 'condemned/';
export const DAMAGED_PREFIX = 'damaged/';

/** The domain keys are found by the wrapping key that opens them. */
export function domainKeysName(wrappingKeyId: Uint8Array): string {
  return DOMAIN_PREFIX + hexOf(wrappingKeyId);
}

export function slotName(id: Uint8Array): string {
  return SLOT_PREFIX + hexOf(id);
}

/** A wrapping key that was replaced is found by its own id. */
export function formerKeyName(wrappingKeyId: Uint8Array): string {
  return FORMER_KEY_PREFIX + hexOf(wrappingKeyId);
}

export function dataKeyName(id: Uint8Array): string {
  return DATA_KEY_PREFIX + hexOf(id);
}

export function endpointName(id: Uint8Array): string {
  return ENDPOINT_PREFIX + hexOf(id);
}

export function packName(name: Uint8Array): string {
  const hex = hexOf(name);
  return `${PACK_PREFIX}${hex.slice(0, 2)}/${hex}`;
}

/** A segment bears the name of the pack that it was published with. */
export function segmentName(name: Uint8Array): string {
  return INDEX_PREFIX + hexOf(name);
}

/** Sequence numbers have ten digits, so that names sort as numbers do. */
export function manifestName(dataset: Uint8Array, sequence: number): string {
  return `${MANIFEST_PREFIX}${hexOf(dataset)}/${String(sequence).padStart(10, '0')}`;
}

export function sessionOpenName(session: Uint8Array): string {
  return `${SESSION_PREFIX}${hexOf(session)}.open`;
}

export function sessionReadName(session: Uint8Array): string {
  return `${SESSION_PREFIX}${hexOf(session)}.read`;
}

export function sessionBeatName(session: Uint8Array): string {
  return `${SESSION_PREFIX}${hexOf(session)}.beat`;
}

export function sessionEndName(session: Uint8Array): string {
  return `${SESSION_PREFIX}${hexOf(session)}.end`;
}

/** Numbers have ten digits, so that names sort as numbers do. */
export function retentionName(number: number): string {
  return RETENTION_PREFIX + String(number).padStart(10, '0');
}

export function condemnedName(run: Uint8Array): string {
  return CONDEMNED_PREFIX + hexOf(run);
}

export function damagedName(verification: Uint8Array): string {
  return DAMAGED_PREFIX + hexOf(verification);
}
