export { type FramePlace, readPackTable } from './chunk-index.ts';
export { type CollectOptions, type CollectStage, type CollectSummary, collect } from './collect.ts';
export { type DamagedFrames, type PlacedFrame, readDamaged } from './damaged.ts';
export { dryRunOf } from './dry-run.ts';
export { openManifestBody } from './manifest-body.ts';
export {
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
  INDEX_PREFIX,
  MANIFEST_PREFIX,
  manifestName,
  PACK_PREFIX,
  packName,
  RETENTION_PREFIX,
  retentionName,
  SESSION_PREFIX,
  SLOT_PREFIX,
  STORE,
  segmentName,
  sessionBeatName,
  sessionEndName,
  sessionOpenName,
  sessionReadName,
  slotName,
} from './names.ts';
export { readConfig } from './opening.ts';
export { isLoss } from './pack-reading.ts';
export { ReadSession } from './read-session.ts';
export { type Fault, type IndexRepair, repairIndex } from './repair-index.ts';
export { type PackRepair, repairPacks } from './repair-packs.ts';
export {
  type Damage,
  type Image,
  type KnownImages,
  Repository,
  type UnreadableImage,
} from './repository.ts';
export type { Hold, RetentionState } from './retention.ts';
export {
  decideRetention,
  type ReadRetentionOptions,
  type RetentionRepair,
  readRetention,
  repairRetention,
} from './retention-log.ts';
export { type RotatedSlot, type Rotation, rotateKeys } from './rotation.ts';
export { type ImageToCommit, type PlainNode, type SessionOptions, WriteSession } from './session.ts';
export type { Manifest, SessionHost } from './session-host.ts';
export {
  type FoundDamage,
  type VerifiedPacks,
  type VerifyReport,
  verifyPacks,
} from './verify.ts';
