import { readdirSync } from 'node:fs';
import { type ByteString, errnoOf, hexOf } from '../base/mod.ts';
import { datasetFolder, TrackLog, trackedStat } from '../capture/mod.ts';
import { decodeEntry, type Entry, pathOfKey, TRACK_TRUSTED } from '../format/mod.ts';
import type { OperationContext } from './context.ts';

/** What the track log of a dataset knows of a path. */
export interface TrackedEntry {
  readonly path: ByteString;
  /** Hexadecimal. */
  readonly dataset: string;
  /** The image that the log belongs to; hexadecimal. */
  readonly image: string;
  /** What told that nothing had changed. */
  readonly stat: ReturnType<typeof trackedStat>;
  /** Whether equal attributes will mean next time that nothing changed. */
  readonly trusted: boolean;
  /** The entry of the image, with its content: where the bytes are. */
  readonly entry: Entry;
}

/**
 * What this machine's track logs know of some paths and of everything below them, dataset by dataset,
 * in key order. A log that is damaged is told of by `context.notice` and ends there.
 */
export async function* readTrackLog(
  context: OperationContext,
  paths: readonly ByteString[],
): AsyncGenerator<TrackedEntry> {
  const { stateFolder, signal } = context;
  if (stateFolder === undefined) return;
  for (const name of datasetNames(stateFolder)) {
    const log = TrackLog.open(datasetFolder(stateFolder, Buffer.from(name, 'hex')));
    if (log === undefined) continue;
    try {
      const image = hexOf(log.head.image);
      for (let record = log.next(); record !== undefined && !signal.aborted; record = log.next()) {
        const path = pathOfKey(record.key);
        if (!paths.some((wanted) => isAtOrBelow(path, wanted))) continue;
        yield {
          path,
          dataset: name,
          image,
          stat: trackedStat(record.statWords),
          trusted: (record.flags & TRACK_TRUSTED) !== 0,
          entry: decodeEntry(record.value),
        };
      }
      if (log.damage !== undefined)
        context.notice(`The track log of dataset ${name} is damaged: ${log.damage.message}`);
    } finally {
      log.close();
    }
  }
}

function isAtOrBelow(path: ByteString, wanted: ByteString): boolean {
  return wanted === '/' || path === wanted || path.startsWith(`${wanted}/`);
}

function datasetNames(stateFolder: string): string[] {
  try {
    return readdirSync(`${stateFolder}/track`)
      .filter((name) => /^[0-9a-f]{32}$/.test(name))
      .sort();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return [];
  }
}
