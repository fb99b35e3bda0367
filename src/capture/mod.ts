export type { EntryChange } from './assemble.ts';
export { type CapturedTree, type CaptureEvents, type CaptureOptions, captureFiles } from './capture-files.ts';
export { type CopiedPair, captureImage, type ImageCaptureOptions } from './capture-image.ts';
export { captureStream, type StreamOptions } from './capture-stream.ts';
export { trackedStat } from './stat-words.ts';
export { datasetFolder, TrackLog } from './track-log.ts';
export { type WalkedEntry, walk } from './walk.ts';
export { WalkAhead, type WalkRequest } from './walk-ahead.ts';
