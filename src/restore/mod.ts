export { soundPieces, walkIndex } from './index-walk.ts';
export {
  type ItemAction,
  OVERWRITE_POLICIES,
  type OverwritePolicy,
  type RestoreHost,
  type RestoreOptions,
  type RestoreSummary,
  type Select,
  STAGES,
  type Stage,
} from './options.ts';
export { restoreImage } from './restore-image.ts';
