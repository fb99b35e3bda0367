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
export { type FileStatus, type FileSystemReads, systemReads } from './file-system-reads.ts';
export { type FolderStore, type FolderStoreOptions, openFolderStore } from './folder-store.ts';
export { MemoryStore } from './memory-store.ts';
export { probeStore, type StoreProbe } from './probe.ts';
export { type RetryOptions, repeatTransient, withRetries } from './retries.ts';
export {
  type ByteRange,
  type GetOptions,
  isObjectName,
  isTransient,
  type ListedObject,
  type ListOptions,
  NAME_LENGTH_MAX,
  type ObjectStore,
} from './store.ts';
export { type ThrottleOptions, withThrottle } from './throttle.ts';
