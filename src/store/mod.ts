export type { StoreCallKind } from './around.ts';
export { type CallCount, type CountingStore, withCounting } from './counting.ts';
export { type FaultPlan, withFaults } from './faults.ts';
export {
  type CallObserver,
  countingCalls,
  type FileSystemCallKind,
  type FileSystemCalls,
  systemCalls,
} from './file-system-calls.ts';
export { type FolderStore, type FolderStoreOptions, openFolderStore } from './folder-store.ts';
export { MemoryStore } from './memory-store.ts';
export { type RetryOptions, withRetries } from './retries.ts';
export {
  type ByteRange,
  type GetOptions,
  isObjectName,
  isTransient,
  type ListedObject,
  NAME_LENGTH_MAX,
  type ObjectStore,
} from './store.ts';
export { type ThrottleOptions, withThrottle } from './throttle.ts';
