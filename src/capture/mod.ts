export type { EntryChange } from './assemble.ts';
export { type CapturedTree, type CaptureEvents, type CaptureOptions, captureFiles } from './capture-files.ts';
export { datasetFolder, TrackLog } from './track-log.ts';
