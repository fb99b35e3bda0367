export { type Argon2Parameters, SlotKind } from '../format/mod.ts';
export {
  type Endpoint,
  makeEndpoint,
  openEndpoint,
  readEndpoint,
  rewrapEndpoint,
  sign,
  verify,
} from './endpoint.ts';
export { deriveKey, digest, equalDigests, KeyedHash } from './hash.ts';
export { createKeyFileSecret, formatKeyFile, KEY_FILE_BYTES_MAX, parseKeyFile } from './keyfile.ts';
export {
  createDataKey,
  createKeyring,
  createWrappingKey,
  type DataKey,
  type Keyring,
  unwrapDataKey,
  unwrapDomain,
  unwrapFormerKey,
  WrappingKey,
  wrapDataKey,
  wrapDomain,
  wrapFormerKey,
} from './keys.ts';
export { type RandomSource, systemRandom } from './random.ts';
export { createRecoverySecret, formatRecoveryCode, parseRecoveryCode } from './recovery.ts';
export { Sealer } from './seal.ts';
export { DomainSecrets, SEGMENT_HASH_BYTES } from './secrets.ts';
export {
  ARGON2_DEFAULT,
  type Credential,
  describeSlot,
  openSlot,
  type SealSlotOptions,
  type SlotDescription,
  sealSlot,
} from './slots.ts';
