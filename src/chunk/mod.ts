export { COMPRESSION_MODES, type CompressionMode, expand } from './compress.ts';
export { CUT_BYTES_MIN, CUT_BYTES_TARGET, Cutter, GEAR_BYTES, writeGear } from './cutter.ts';
export { encodeFrame, frameIdOf, type OpenedFrame, openFrame, type PlainFrame } from './frame-codec.ts';
export { ChunkPipeline } from './pipeline.ts';
export { BATCH_BYTES, GROUP_BYTES_TARGET, SCAN_BYTES, type Slabs } from './slabs.ts';
export {
  type ChunkToSeal,
  type CutResult,
  type FileAttributes,
  type KnownSegments,
  type ReadFailure,
  type ReadResult,
  ReadStatus,
  type ReadTask,
  type ScannedChunk,
  type ScanResult,
  type ScanTask,
  type SealedChunk,
  type SealTask,
  SMALL_FILE_BYTES_MAX,
  STAT_FIELDS,
  StatField,
  type WorkerSetup,
} from './tasks.ts';
