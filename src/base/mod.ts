export {
  type ByteString,
  bufferOf,
  byteStringFromText,
  byteStringOf,
  bytesFromHex,
  bytesOf,
  displayText,
  equalBytes,
  hexOf,
} from './bytes.ts';
export { type Clock, systemClock } from './clock.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  EverfullError,
  errnoOf,
  isEverfullError,
} from './errors.ts';
export { BoundedQueue } from './queue.ts';
export { answerTasks, threadCount, WorkerPool } from './worker-pool.ts';
