/** Start-up is felt on every call of the command line: all but the smallest operations are loaded when they are asked for. */
export type { CacheFolder } from './cache.ts';
export type { OperationContext, Problem, Progress } from './context.ts';
export {
  type InitOptions,
  init,
  type NewKey,
  type NewRepository,
  newRecoveryCode,
  RECOVERY_LABEL,
} from './init.ts';
export { type KeySlot, listKeys, removeKey, retireKeys } from './keys.ts';

export const loadCache = () => import('./cache.ts');
