/** Start-up is felt on every call of the command line: an operation is loaded when it is asked for. */
export type { BackupOptions } from './backup.ts';
export type { BackupItem, BackupSummary } from './backup-summary.ts';
export type { CacheFolder } from './cache.ts';
export type { CheckReport, Finding } from './check.ts';
export type { OperationContext, Problem, Progress } from './context.ts';
export type { DiffStatistics } from './diff.ts';
export type { DumpRange } from './dump.ts';
export type { ImageFilter, ImageSelection, ResolvedImage } from './images.ts';
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
export type { RestoreSummary } from './restore.ts';
export type { Stats } from './stats.ts';
export type { TrackedEntry } from './tracklog.ts';

export const loadBackup = () => import('./backup.ts');
export const loadCache = () => import('./cache.ts');
export const loadImages = () => import('./images.ts');
export const loadList = () => import('./list.ts');
export const loadDiff = () => import('./diff.ts');
export const loadDump = () => import('./dump.ts');
export const loadMap = () => import('./map.ts');
export const loadStats = () => import('./stats.ts');
export const loadFind = () => import('./find.ts');
export const loadCheck = () => import('./check.ts');
export const loadRestore = () => import('./restore.ts');
export const loadTrackLog = () => import('./tracklog.ts');
