export { type FramePlace, readPackTable } from './chunk-index.ts';
export {
  CONFIG,
  DATA_KEY_PREFIX,
  DOMAIN_PREFIX,
  dataKeyName,
  domainKeysName,
  ENDPOINT_PREFIX,
  endpointName,
  INDEX_PREFIX,
  MANIFEST_PREFIX,
  manifestName,
  PACK_PREFIX,
  packName,
  SESSION_PREFIX,
  SLOT_PREFIX,
  segmentName,
  sessionBeatName,
  sessionEndName,
  sessionOpenName,
  slotName,
} from './names.ts';
export { type Damage, dryRunOf, type Image, type KnownImages, Repository } from './repository.ts';
export { type ImageToCommit, type PlainNode, WriteSession } from './session.ts';
export type { Manifest, SessionHost } from './session-host.ts';
