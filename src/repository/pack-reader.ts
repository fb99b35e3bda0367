import { bufferOf, EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import type { PackRow, TablePack } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { readPackTable } from './chunk-index.ts';
import { packName } from './names.ts';
import { orDamage } from './pack-reading.ts';

/** A run of frames that lie close together is read at once, up to so many bytes, with gaps up to so many. */
const RUN_BYTES_MAX = 4 * 1024 * 1024;
const GAP_BYTES_MAX = 64 * 1024;

/** A frame as it is stored, and its row of the pack's table. */
export interface StoredFrame {
  readonly row: PackRow;
  /** Good until the next one. */
  readonly bytes: Uint8Array;
}

/** A frame that is not what the table of its pack says. */
export interface UnsoundFrame {
  readonly row: Pick<PackRow, 'id' | 'offset'>;
  readonly error: EverfullError;
}

/**
 * Some frames of a pack in the order in which they lie, each checked against the unkeyed digest in the
 * pack's table; what is not sound comes as an error. Rejects with 'damaged' or 'object-missing' where the
 * table cannot be read.
 *
 * @param wanted ids, as they lie in the pack; each at most once
 */
export async function* soundFrames(
  store: ObjectStore,
  pack: TablePack,
  wanted: readonly { readonly id: Uint8Array; readonly offset: number }[],
): AsyncGenerator<StoredFrame | UnsoundFrame> {
  const rows = new Map((await readPackTable(store, pack)).map((row) => [row.offset, row]));
  const name = packName(pack.name);
  const found: PackRow[] = [];
  for (const { id, offset } of wanted.toSorted((a, b) => a.offset - b.offset)) {
    const row = rows.get(offset);
    if (row !== undefined && equalBytes(row.id, id)) found.push(row);
    else yield { row: { id, offset }, error: unsound(id, name, 'its table does not have it there') };
  }
  for (const run of runsOf(found)) {
    const start = run[0].offset;
    const end = run.at(-1)!.offset + run.at(-1)!.length;
    const read = async (offset: number, length: number) =>
      bufferOf(await store.get(name, { range: { offset, length } }));
    const bytes = await orDamage(() => read(start, end - start));
    for (const row of run) {
      // A bad sector in the run spoils no other frame of it.
      const frame =
        bytes instanceof EverfullError
          ? await orDamage(() => read(row.offset, row.length))
          : bytes.subarray(row.offset - start, row.offset - start + row.length);
      if (frame instanceof EverfullError) yield { row, error: frame };
      else if (equalBytes(digest(frame), row.digest)) yield { row, bytes: frame };
      else yield { row, error: unsound(row.id, name, 'it does not match its digest') };
    }
  }
}

function unsound(id: Uint8Array, name: string, why: string): EverfullError {
  return new EverfullError('damaged', `Could not read frame ${hexOf(id).slice(0, 16)} of ${name}: ${why}`);
}

function runsOf(rows: readonly PackRow[]): PackRow[][] {
  const runs: PackRow[][] = [];
  let end = -1;
  for (const row of rows) {
    const run = runs.at(-1);
    const isNear =
      run !== undefined &&
      row.offset <= end + GAP_BYTES_MAX &&
      row.offset + row.length - run[0].offset <= RUN_BYTES_MAX;
    if (isNear) run.push(row);
    else runs.push([row]);
    end = row.offset + row.length;
  }
  return runs;
}
