import { type ByteString, hexOf } from '../../base/mod.ts';
import { digest } from '../../crypto/mod.ts';
import {
  decodeStreamRecords,
  decodeStreamSegmentHead,
  EntryType,
  STREAM_SEGMENT_HEAD_BYTES,
  type StreamRecord,
  StreamWriter,
} from '../../format/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { exportImage } from '../export.ts';
import { type ImportSummary, importImage } from '../import.ts';
import { readerOf } from '../reading.ts';
import type { SmallRepository } from './small-repository.ts';

/** The stream of an image, as another process would write it. */
export async function exported(small: SmallRepository, image: Image, base?: Image): Promise<Buffer> {
  const parts: Buffer[] = [];
  await exportImage(await small.reopen(), image, {
    base,
    write: async (bytes) => void parts.push(Buffer.from(bytes)),
  });
  return Buffer.concat(parts);
}

/** In pieces whose ends are nowhere special. */
export async function* inPieces(stream: Uint8Array, length = 1009): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < stream.length; at += length) yield stream.subarray(at, at + length);
}

/** Imports in another process. */
export async function imported(small: SmallRepository, stream: Uint8Array): Promise<ImportSummary> {
  return importImage(await small.reopen(), inPieces(stream), { bytesTotal: stream.length });
}

/** The records of a stream. */
export function recordsOf(stream: Buffer): StreamRecord[] {
  const records: StreamRecord[] = [];
  for (let at = 0; at < stream.length; ) {
    const { length } = decodeStreamSegmentHead(stream.subarray(at, at + STREAM_SEGMENT_HEAD_BYTES));
    at += STREAM_SEGMENT_HEAD_BYTES;
    records.push(...decodeStreamRecords(stream.subarray(at, at + length)));
    at += length;
  }
  return records;
}

/** A stream of these records in place of its own, whose digests and, with `prove`, proof are right. */
export function remade(
  records: readonly StreamRecord[],
  prove: (previous: Buffer) => Uint8Array,
  { recordsASegment = 1000 } = {},
): Buffer {
  const writer = new StreamWriter(Buffer.alloc(16, 1), digest);
  const parts: Buffer[] = [];
  const cut = () => {
    const segment = writer.cut();
    if (segment !== undefined) parts.push(segment.head, Buffer.from(segment.records));
  };
  for (const [i, record] of records.filter(({ type }) => type !== 'end').entries()) {
    writer.add(record);
    if (i % recordsASegment === recordsASegment - 1) cut();
  }
  cut();
  writer.add({ type: 'end', proof: prove(writer.previous) });
  cut();
  return Buffer.concat(parts);
}

/** Every path of an image with what it holds. */
export async function contentsOf(small: SmallRepository, image: Image): Promise<Map<ByteString, string>> {
  const reader = readerOf(small.repository, image);
  const contents = new Map<ByteString, string>();
  for await (const { path, entry } of reader.walk('/')) {
    if (entry.type !== EntryType.file) {
      contents.set(path, 'folder');
      continue;
    }
    const blocks: Uint8Array[] = [];
    for await (const block of reader.readRange(entry.content!)) blocks.push(Buffer.from(block));
    contents.set(path, hexOf(digest(Buffer.concat(blocks))));
  }
  return contents;
}

/** The images of a repository as another process sees them, oldest first. */
export async function imagesOf(small: SmallRepository): Promise<Image[]> {
  const { repository } = await small.reopen();
  return repository.images(({ error }) => {
    throw error;
  });
}
