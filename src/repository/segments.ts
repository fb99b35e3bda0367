import { type EverfullError, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  decodeSegmentRow,
  decodeTable,
  SEGMENT_ROW_BYTES,
  type SegmentRow,
  type TablePack,
} from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { eachAtOnce } from './chunk-index.ts';
import { INDEX_PREFIX } from './names.ts';

/** An index segment as it stands in the store. */
export interface Segment {
  /** The object. */
  readonly name: string;
  readonly packs: readonly TablePack[];
  /** As stored, sorted by id. */
  readonly rows: Buffer;
}

export interface SegmentVisitor {
  onSegment(segment: Segment): void | Promise<void>;
  /** Told of one that cannot be read, for whatever reason. */
  onError(name: string, error: EverfullError): void;
}

/** Reads every index segment, several at once. Those that others delete meanwhile are passed over. */
export async function segmentsOf(store: ObjectStore, { onSegment, onError }: SegmentVisitor): Promise<void> {
  const names: string[] = [];
  for await (const { name } of store.list(INDEX_PREFIX)) names.push(name);
  await eachAtOnce(names, async (name) => {
    let segment: Segment;
    try {
      const { packs, rows } = decodeTable(await store.get(name), SEGMENT_ROW_BYTES, digest);
      segment = { name, packs, rows };
    } catch (error) {
      if (!isEverfullError(error)) throw error;
      if (error.code !== 'object-missing') onError(name, error);
      return;
    }
    await onSegment(segment);
  });
}

/** The rows of one of a segment's packs, in the order of their ids. */
export function* rowsOf({ rows }: Pick<Segment, 'rows'>, pack: number): Generator<SegmentRow> {
  for (let row = 0; row * SEGMENT_ROW_BYTES < rows.length; row++) {
    const decoded = decodeSegmentRow(rows, row);
    if (decoded.pack === pack) yield decoded;
  }
}
