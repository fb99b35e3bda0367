/** Start-up is felt on every call of the command line: an operation is loaded when it is asked for. */
export type { BackupOptions } from './backup.ts';
export type { BackupItem, BackupSummary } from './backup-summary.ts';
export type { CacheFolder } from './cache.ts';
export type { CheckReport, Finding } from './check.ts';
export type { OperationContext, Problem, Progress, StoreContext } from './context.ts';
export type { CopySummary } from './copy.ts';
export type { DiffStatistics } from './diff.ts';
export type { DumpRange } from './dump.ts';
export type { ExportSummary } from './export.ts';
export type { ForgetOptions, ForgottenGroup, KeptImage } from './forget.ts';
export type { GroupBy } from './forgetting/mod.ts';
export type { GivenUp } from './give-up.ts';
export type { DatasetLock, HeldImage } from './hold.ts';
export type { ImageFilter, ImageSelection, ResolvedImage } from './images.ts';
export type { ImportSummary } from './import.ts';
export {
  type InitOptions,
  init,
  type NewKey,
  type NewRepository,
  newRecoveryCode,
  RECOVERY_LABEL,
} from './init.ts';
export { type KeySlot, listKeys, removeKey, replaceKey } from './keys.ts';
export type { MapRow, MapTotals } from './map.ts';
export type { CollectSummary, PruneOptions } from './prune.ts';
export type { IndexRepair, PackRepair } from './repair.ts';
export type { ImageRepair, LostPart } from './repair-images.ts';
export type { RestoreSummary } from './restore.ts';
export type { Stats } from './stats.ts';
export type { TrackedEntry } from './tracklog.ts';
export type { FoundDamage, VerifyReport } from './verify.ts';

export const loadBackup = () => import('./backup.ts');
export const loadCache = () => import('./cache.ts');
export const loadImport = () => import('./import.ts');
export const loadChosenImages = () => import('./chosen-images.ts');
export const loadCopy = () => import('./copy.ts');
export const loadImages = () => import('./images.ts');
export const loadList = () => import('./list.ts');
export const loadDiff = () => import('./diff.ts');
export const loadDump = () => import('./dump.ts');
export const loadMap = () => import('./map.ts');
export const loadStats = () => import('./stats.ts');
export const loadExport = () => import('./export.ts');
export const loadFind = () => import('./find.ts');
export const loadCheck = () => import('./check.ts');
export const loadForget = () => import('./forget.ts');
export const loadHold = () => import('./hold.ts');
export const loadLock = () => import('./lock.ts');
export const loadPrune = () => import('./prune.ts');
export const loadRestore = () => import('./restore.ts');
export const loadRewrite = () => import('./rewrite.ts');
export const loadRotateKeys = () => import('./rotate-keys.ts');
export const loadTag = () => import('./tag.ts');
export const loadTrackLog = () => import('./tracklog.ts');
export const loadVerify = () => import('./verify.ts');
export const loadRepair = () => import('./repair.ts');
export const loadRepairImages = () => import('./repair-images.ts');
export const loadGiveUp = () => import('./give-up.ts');
