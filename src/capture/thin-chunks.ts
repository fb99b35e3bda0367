import { type ByteString, bufferOf } from '../base/mod.ts';
import { decodeEntry, EntryType } from '../format/mod.ts';
import { TrackLog } from './track-log.ts';

/** Once one entry in so many changed, chunks are looked at: before, few can have become thin. */
const LOOK_AFTER = 10;
/** A chunk of which no more than this part is used is thin. */
const THIN = 0.5;
/** What shorter ones keep is not worth the reading. */
const LENGTH_MIN = 256 * 1024;

/**
 * The chunks, as byte strings, of which the files of a track log use less than half. The rest of them is
 * what files were before: a few survivors would keep it for as long as they live. So they are stored anew.
 * None unless much changed since the last look, for which all of the log is read.
 *
 * How long a chunk is follows from the last byte that is used, so it is at least as thin as it seems; bytes
 * that two files share count twice.
 */
export function thinChunks(folder: string, { head }: TrackLog): ReadonlySet<ByteString> {
  const thin = new Set<ByteString>();
  if (!isLookDue(head)) return thin;
  const uses = new Map<ByteString, { bytes: number; end: number }>();
  const log = TrackLog.open(folder);
  if (log === undefined) return thin;
  try {
    for (let record = log.next(); record !== undefined; record = log.next()) {
      for (const { id, offset, length } of chunksOf(record.value)) {
        const use = uses.get(id);
        if (use === undefined) uses.set(id, { bytes: length, end: offset + length });
        else {
          use.bytes += length;
          use.end = Math.max(use.end, offset + length);
        }
      }
    }
  } finally {
    log.close();
  }
  for (const [id, { bytes, end }] of uses) if (end >= LENGTH_MIN && bytes < end * THIN) thin.add(id);
  return thin;
}

/** Whether so much changed since chunks were looked at that some may be thin. */
export function isLookDue({ turnover, items }: Pick<TrackLog['head'], 'turnover' | 'items'>): boolean {
  return turnover * LOOK_AFTER >= items;
}

/** Whether an encoded entry refers to any of some chunks. */
export function usesAny(value: Uint8Array, chunks: ReadonlySet<ByteString>): boolean {
  return chunks.size > 0 && chunksOf(value).some(({ id }) => chunks.has(id));
}

/** The pieces that an entry names itself; chunks below a content tree belong to one long file. */
function chunksOf(value: Uint8Array): { id: ByteString; offset: number; length: number }[] {
  if (value[0] !== EntryType.file) return [];
  const { content } = decodeEntry(value);
  if (content === undefined || 'root' in content) return [];
  return content.pieces.flatMap(({ chunk, offset, length }) =>
    chunk === undefined ? [] : [{ id: bufferOf(chunk).toString('latin1'), offset, length }],
  );
}
