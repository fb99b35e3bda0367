import { type Clock, EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { findRow, type PackRow, SEGMENT_ROW_BYTES, type TablePack } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { ChunkIndex, eachAtOnce, encodeSegment, readPackTable } from './chunk-index.ts';
import { listPacks } from './condemned.ts';
import { type PlacedFrame, readDamaged, recordDamaged } from './damaged.ts';
import { packName, segmentName } from './names.ts';
import { exists } from './opening.ts';
import { isDamage, orDamage } from './pack-reading.ts';
import { rowsOf, type Segment, segmentsOf } from './segments.ts';

export interface IndexRepairOptions {
  readonly clock: Clock;
  /** Says what would be done, and changes nothing. */
  readonly dryRun: boolean;
  /** Throws to end the work; everything is whole then. */
  checkpoint(): void;
}

/** An object and what is wrong with it. */
export interface Fault {
  readonly object: string;
  readonly error: EverfullError;
}

export interface IndexRepair {
  readonly packs: number;
  readonly segments: number;
  /** Segments, and records of damage, that say nothing or what is not so: they are deleted. */
  readonly wrong: readonly Fault[];
  /** The names of the packs that no right segment names: they get one each. */
  readonly uncovered: readonly string[];
  /** Packs that no right segment names and whose tables cannot be read either. */
  readonly unreadable: readonly Fault[];
}

/**
 * Makes the index segments say what the tables of the packs say. Needs no key. What is missing is written
 * before anything wrong is deleted, but for a segment that is wrong and stands where the right one belongs.
 * A segment of a pack without a table is all that is known of it, and stays.
 */
export async function repairIndex(
  store: ObjectStore,
  { clock, dryRun, checkpoint }: IndexRepairOptions,
): Promise<IndexRepair> {
  const there = await listPacks(store);
  const tables = new PackTables(store, there);
  const covered = new Set<string>();
  const wrong: Fault[] = [];
  const gone: PlacedFrame[] = [];
  let segments = 0;
  await segmentsOf(store, {
    onSegment: async (segment) => {
      checkpoint();
      segments++;
      const error = await tables.problemOf(segment);
      if (error !== undefined) {
        wrong.push({ object: segment.name, error });
        gone.push(...framesGone(segment, there));
      } else for (const { name } of segment.packs) covered.add(hexOf(name));
    },
    onError: (object, error) => {
      // What a newer version wrote, or what cannot be reached, is not wrong.
      if (!isDamage(error)) throw error;
      segments++;
      wrong.push({ object, error });
    },
  });
  await readDamaged(store, (object, error) => wrong.push({ object, error }));
  const occupied = new Set(wrong.map(({ object }) => object));
  const uncovered: string[] = [];
  const unreadable: Fault[] = [];
  const later: { readonly name: string; readonly bytes: Buffer }[] = [];
  const missing = [...there.values()].filter(({ name }) => !covered.has(hexOf(name)));
  await eachAtOnce(missing, async (pack) => {
    checkpoint();
    const rows = await tables.of(pack);
    if (rows === undefined) return;
    if (rows instanceof EverfullError) {
      unreadable.push({ object: packName(pack.name), error: rows });
      return;
    }
    uncovered.push(packName(pack.name));
    if (dryRun) return;
    const name = segmentName(pack.name);
    const bytes = encodeSegment(pack, rows);
    if (occupied.has(name)) later.push({ name, bytes });
    else await putUnlessThere(store, name, bytes);
  });
  if (!dryRun) {
    // One that says nothing right is no loss: until its successor is there the table of the pack is read.
    for (const { name, bytes } of later) {
      await store.delete(name);
      await putUnlessThere(store, name, bytes);
      occupied.delete(name);
    }
    // A segment may be all that is known of a pack that is gone: who lacks its frames must learn of it.
    await recordDamaged(store, clock, await readDamaged(store, () => {}), await lostOf(store, gone));
    for (const object of occupied) await store.delete(object);
  }
  const byObject = (a: Fault, b: Fault) => (a.object < b.object ? -1 : 1);
  return {
    packs: there.size,
    segments,
    wrong: wrong.sort(byObject),
    uncovered: uncovered.sort(),
    unreadable: unreadable.sort(byObject),
  };
}

/** What a segment names in packs that are gone. */
function framesGone(segment: Segment, there: ReadonlyMap<string, TablePack>): PlacedFrame[] {
  return segment.packs.flatMap(({ name }, number) =>
    there.has(hexOf(name))
      ? []
      : [...rowsOf(segment, number)].map(({ id }) => ({ id: Buffer.from(id), pack: Buffer.from(name) })),
  );
}

/** Those of some frames that no pack has. */
async function lostOf(store: ObjectStore, frames: readonly PlacedFrame[]): Promise<PlacedFrame[]> {
  if (frames.length === 0) return [];
  const index = new ChunkIndex(store);
  await index.load();
  await index.recover();
  return frames.filter(({ id }) => !index.has(id));
}

/** The backup that wrote the pack may be publishing its segment just now. */
async function putUnlessThere(store: ObjectStore, name: string, bytes: Buffer): Promise<void> {
  try {
    await store.putIfAbsent(name, [bytes]);
  } catch (error) {
    if (!isEverfullError(error, 'object-exists')) throw error;
  }
}

class PackTables {
  readonly #store: ObjectStore;
  readonly #there: ReadonlyMap<string, TablePack>;

  constructor(store: ObjectStore, there: ReadonlyMap<string, TablePack>) {
    this.#store = store;
    this.#there = there;
  }

  /** The table of a pack, or what is wrong with it; undefined where the pack is gone. */
  async of(pack: TablePack): Promise<readonly PackRow[] | EverfullError | undefined> {
    try {
      return await orDamage(() => readPackTable(this.#store, pack));
    } catch (error) {
      if (!isEverfullError(error, 'object-missing')) throw error;
      return undefined;
    }
  }

  /** What a segment says that is not so. */
  async problemOf(segment: Segment): Promise<EverfullError | undefined> {
    const wrong = (why: string) => new EverfullError('damaged', `Could not accept "${segment.name}": ${why}`);
    // Collection finds the segment of a pack by its name.
    if (!segment.packs.some(({ name }) => segmentName(name) === segment.name))
      return wrong('it bears the name of none of its packs');
    let rows = 0;
    for (const [number, pack] of segment.packs.entries()) {
      const name = packName(pack.name);
      const listed = this.#there.get(hexOf(pack.name));
      // One that was stored after the listing is there.
      const bytes = listed?.bytes ?? (await this.#sizeOf(name));
      const table = bytes === undefined ? undefined : await this.of({ name: pack.name, bytes });
      if (table === undefined) return wrong(`it names the pack "${name}", which is gone`);
      if (table instanceof EverfullError) return undefined;
      if (bytes !== pack.bytes)
        return wrong(`it gives the pack "${name}" ${pack.bytes} bytes, and it has ${bytes}`);
      const byId = new Map(table.map((row) => [hexOf(row.id), row]));
      for (const { id, offset, length, kind } of rowsOf(segment, number)) {
        rows++;
        const row = byId.get(hexOf(id));
        if (row === undefined || row.offset !== offset || row.length !== length || row.kind !== kind)
          return wrong(`it places a frame in "${name}" where the pack has none or another`);
      }
      if (table.some(({ id }) => findRow(segment.rows, SEGMENT_ROW_BYTES, id) < 0))
        return wrong(`it leaves out frames of "${name}"`);
    }
    return rows * SEGMENT_ROW_BYTES === segment.rows.length
      ? undefined
      : wrong('it places frames in packs that it does not name');
  }

  async #sizeOf(name: string): Promise<number | undefined> {
    return (await exists(this.#store, name)) ? this.#store.size(name) : undefined;
  }
}
