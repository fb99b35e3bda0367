import { bytesFromHex, EverfullError, equalBytes, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { FrameKind, type TablePack } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { ChunkIndex } from './chunk-index.ts';
import { listPacks, packsOf, readCondemned } from './condemned.ts';
import { type DamagedFrames, readDamaged } from './damaged.ts';
import { packName } from './names.ts';
import { type FrameRow, orDamage, PackReading } from './pack-reading.ts';
import { PackWriter } from './pack-writer.ts';

export interface PackRepairOptions {
  readonly secretsId: Uint8Array;
  /** Says what would be done, and changes nothing. */
  readonly dryRun: boolean;
  /**
   * Opens a frame, which shows that it is sound where the digests in the table of its pack are lost. Rejects
   * with 'damaged'. Undefined without a key: then such frames count as lost.
   */
  readonly open?: ((frame: Uint8Array, kind: FrameKind, id: Uint8Array) => Promise<unknown>) | undefined;
  /** Throws to end the work; everything is whole then. */
  checkpoint(): void;
  progress(packsDone: number, packsTotal: number): void;
}

/** What became of the frames of a pack with damage. */
export interface PackRepair {
  /** The object. */
  readonly pack: string;
  readonly isGone: boolean;
  /** Sound frames that are in a new pack now. */
  readonly copied: number;
  readonly bytesCopied: number;
  /** Frames, sound here or not, that another sound pack has. */
  readonly elsewhere: number;
  /** The ids of frames that no pack has sound, as far as is known: a backup of the same data stores them anew. */
  readonly lost: readonly Uint8Array[];
  /** How many of these might be told sound by who has the key, since the table of the pack is lost. */
  readonly untold: number;
}

/**
 * Copies the sound frames of packs in which damage is recorded to new packs, unless another sound pack has
 * them. The old packs stay: collection deletes them once nothing in them is needed.
 */
export async function repairPacks(store: ObjectStore, options: PackRepairOptions): Promise<PackRepair[]> {
  return new Copying(store, options, await readDamaged(store)).run();
}

class Copying {
  readonly #store: ObjectStore;
  readonly #options: PackRepairOptions;
  readonly #damaged: DamagedFrames;
  readonly #index: ChunkIndex;
  readonly #chunks: PackWriter;
  readonly #nodes: PackWriter;
  /** What was copied; the index learns of it only when its pack is stored. */
  readonly #copied = new Set<string>();
  #condemned: ReadonlySet<string> = new Set();

  constructor(store: ObjectStore, options: PackRepairOptions, damaged: DamagedFrames) {
    this.#store = store;
    this.#options = options;
    this.#damaged = damaged;
    this.#index = new ChunkIndex(store);
    // Their data keys are in the store as long as the repository is.
    const writer = () =>
      new PackWriter(
        store,
        options.secretsId,
        async () => {},
        () => {},
      );
    this.#chunks = writer();
    this.#nodes = writer();
  }

  async run(): Promise<PackRepair[]> {
    const hurt = new Map<string, Uint8Array[]>();
    for (const { id, pack } of this.#damaged.places()) {
      const ids = hurt.get(hexOf(pack));
      if (ids === undefined) hurt.set(hexOf(pack), [id]);
      else ids.push(id);
    }
    if (hurt.size === 0) return [];
    this.#condemned = packsOf(await readCondemned(this.#store));
    await this.#index.recover();
    const there = await listPacks(this.#store);
    const repairs: PackRepair[] = [];
    for (const [hex, ids] of [...hurt].sort(([a], [b]) => (a < b ? -1 : 1))) {
      this.#options.checkpoint();
      const pack = there.get(hex);
      const repair = pack === undefined ? undefined : await this.#pack(pack);
      repairs.push(repair ?? this.#gone(bytesFromHex(hex), ids));
      this.#options.progress(repairs.length, hurt.size);
    }
    await this.#chunks.flush();
    await this.#nodes.flush();
    return repairs;
  }

  /** Undefined where the pack was deleted meanwhile. */
  async #pack({ name }: TablePack): Promise<PackRepair | undefined> {
    let reading: PackReading;
    try {
      reading = await PackReading.open(this.#store, name, this.#options.secretsId);
    } catch (error) {
      if (!isEverfullError(error, 'object-missing')) throw error;
      return undefined;
    }
    const tally = { copied: 0, bytesCopied: 0, elsewhere: 0, untold: 0 };
    const lost: Uint8Array[] = [];
    for (const row of reading.rows ?? this.#rowsByIndex(name)) {
      const { id } = row;
      if (this.#copied.has(hexOf(id)) || this.#isElsewhere(id, name)) {
        tally.elsewhere++;
        continue;
      }
      const frame = await this.#soundFrame(reading, row);
      if (frame === undefined) {
        lost.push(Buffer.from(id));
        if (row.digest === undefined && this.#options.open === undefined) tally.untold++;
        continue;
      }
      tally.copied++;
      tally.bytesCopied += frame.length;
      this.#copied.add(hexOf(id));
      if (!this.#options.dryRun) await this.#copy(frame, row);
    }
    return { pack: packName(name), isGone: false, ...tally, lost };
  }

  /** Of a pack that is gone only the damage tells what was in it. */
  #gone(pack: Uint8Array, ids: readonly Uint8Array[]): PackRepair {
    const lost = ids.filter((id) => !this.#copied.has(hexOf(id)) && !this.#isElsewhere(id, pack));
    return {
      pack: packName(pack),
      isGone: true,
      copied: 0,
      bytesCopied: 0,
      elsewhere: ids.length - lost.length,
      lost,
      untold: 0,
    };
  }

  #isElsewhere(id: Uint8Array, besides: Uint8Array): boolean {
    return this.#index
      .places(id)
      .some(
        ({ pack }) =>
          !equalBytes(pack, besides) && !this.#condemned.has(hexOf(pack)) && !this.#damaged.has(id, pack),
      );
  }

  #rowsByIndex(name: Uint8Array): FrameRow[] {
    const rows: FrameRow[] = [];
    for (const { id, kind, offset, length, pack } of this.#index.all())
      if (equalBytes(pack, name)) rows.push({ id, kind, offset, length, digest: undefined });
    return rows.sort((a, b) => a.offset - b.offset);
  }

  async #soundFrame(reading: PackReading, row: FrameRow): Promise<Uint8Array | undefined> {
    const frame = await reading.frame(row);
    if (frame instanceof EverfullError) return undefined;
    if (row.digest !== undefined) return frame;
    const { open } = this.#options;
    if (open === undefined) return undefined;
    const opened = await orDamage(() => open(frame, row.kind, row.id));
    return opened instanceof EverfullError ? undefined : frame;
  }

  async #copy(frame: Uint8Array, { id, kind }: FrameRow): Promise<void> {
    const writer = kind === FrameKind.chunk ? this.#chunks : this.#nodes;
    writer.add(frame, { id: Buffer.from(id), kind, digest: digest(frame) });
    await writer.room();
  }
}
