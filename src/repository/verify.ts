import { randomInt } from 'node:crypto';
import { type Clock, EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { configRecord, decodeFrame, RECORD_BYTES_MAX, Sealing, type TablePack } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { eachAtOnce } from './chunk-index.ts';
import { listPacks, packsOf, readCondemned } from './condemned.ts';
import { type PlacedFrame, readDamaged, recordDamaged } from './damaged.ts';
import { CONFIG, dataKeyName, packName } from './names.ts';
import { CHECKED_PREFIXES, checkObject } from './object-check.ts';
import { exists } from './opening.ts';
import { isLoss, PACK_BYTES_MAX, PackReading } from './pack-reading.ts';
import { rowsOf, type Segment, segmentsOf } from './segments.ts';

/** Packs on their way at once: one is hashed while the others are read. Each takes its bytes in memory. */
const PACKS_AT_ONCE = 3;

/** Something that is not what was written. */
export interface FoundDamage {
  /** The name of an object. */
  readonly object: string;
  readonly error: EverfullError;
  /** Of a pack, the ids of the frames that are lost there, as far as anybody knows them. */
  readonly frames: readonly Uint8Array[];
}

/** When packs, by name in hexadecimal digits, were found sound; ms since 1970. */
export interface VerifiedPacks {
  at(pack: string): number | undefined;
  note(pack: string, time: number): void;
  /** Told which packs there are: all others can be forgotten. */
  retain(packs: ReadonlyMap<string, unknown>): void;
}

export interface VerifyProgress {
  readonly packsDone: number;
  readonly packsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly errors: number;
}

export interface VerifyOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What was verified before: the oldest come first. Without it the order is random. */
  readonly verified?: VerifiedPacks | undefined;
  /** Packs that were found sound at this time or after it are passed over; ms since 1970. */
  readonly after?: number | undefined;
  /** No pack is begun once so many bytes of packs were read. */
  readonly budgetBytes?: number | undefined;
  progress(progress: VerifyProgress): void;
  /** Told of each object as it is found. */
  onDamage(damage: FoundDamage): void;
}

export interface VerifyReport {
  /** Packs in the repository, those that were read now, and those that were left for another time. */
  readonly packs: number;
  readonly packsVerified: number;
  readonly packsLeft: number;
  readonly bytesVerified: number;
  readonly frames: number;
  /** Small objects and index segments that were read. */
  readonly objects: number;
  /** Objects with damage; of frames how many are lost at the place where they were, and how many of these are newly recorded. */
  readonly damagedObjects: number;
  readonly damagedFrames: number;
  readonly recorded: number;
}

/**
 * Reads every pack, or the part of them that `options` leave, and checks each frame against its unkeyed
 * digest; and every small object and index segment against its own. Needs no key. What is damaged is told,
 * and the places of damaged frames are recorded in the store, also when the work is interrupted.
 */
export async function verifyPacks(store: ObjectStore, options: VerifyOptions): Promise<VerifyReport> {
  const verification = new Verification(store, options);
  try {
    await verification.run();
  } catch (error) {
    // What was found counts; the error that ended the work is the one to tell of.
    await verification.record().catch(() => {});
    throw error;
  }
  await verification.record();
  return verification.report;
}

class Verification {
  readonly report = {
    packs: 0,
    packsVerified: 0,
    packsLeft: 0,
    bytesVerified: 0,
    frames: 0,
    objects: 0,
    damagedObjects: 0,
    damagedFrames: 0,
    recorded: 0,
  };
  readonly #store: ObjectStore;
  readonly #options: VerifyOptions;
  readonly #found: PlacedFrame[] = [];
  /** Packs whose frames only index segments may still name, by name in hexadecimal digits: those without a table. */
  readonly #unreadable = new Map<string, EverfullError>();
  #secretsId: Uint8Array | undefined;
  /** In hexadecimal digits, data keys that are sound, as far as they were looked at: without its key a frame is lost. */
  readonly #keys = new Map<string, Promise<boolean>>();

  constructor(store: ObjectStore, options: VerifyOptions) {
    this.#store = store;
    this.#options = options;
  }

  async run(): Promise<void> {
    this.#secretsId = await this.#readSecretsId();
    const there = await listPacks(this.#store);
    this.#options.verified?.retain(there);
    await this.#verifyPacks(there);
    await this.#verifySegments(there);
    for (const prefix of CHECKED_PREFIXES) await this.#verifyObjects(prefix);
  }

  /** Puts the damage that is not recorded yet. */
  async record(): Promise<void> {
    if (this.#found.length === 0) return;
    // A record that cannot be read is told of as any other object.
    const known = await readDamaged(this.#store, () => {});
    this.report.recorded = await recordDamaged(this.#store, this.#options.clock, known, this.#found);
  }

  async #readSecretsId(): Promise<Uint8Array | undefined> {
    try {
      return configRecord.decode(await this.#store.get(CONFIG, { limit: RECORD_BYTES_MAX }), digest)
        .secretsId;
    } catch (error) {
      // It is told of among the small objects.
      if (!isEverfullError(error, 'damaged')) throw error;
      return undefined;
    }
  }

  #checkpoint(): void {
    if (this.#options.signal.aborted)
      throw new EverfullError('interrupted', 'Could not verify all: the work was interrupted', {
        advice: 'Run it again: what was verified is known, and the rest comes first.',
      });
  }

  #damage(object: string, error: EverfullError, pack?: Uint8Array, ids: readonly Uint8Array[] = []): void {
    // Views of a pack change when the next one is read.
    const frames = ids.map((id) => Buffer.from(id));
    if (pack !== undefined) for (const id of frames) this.#found.push({ id, pack });
    this.report.damagedObjects++;
    this.report.damagedFrames += frames.length;
    this.#options.onDamage({ object, error, frames });
  }

  async #verifyPacks(there: ReadonlyMap<string, TablePack>): Promise<void> {
    const { budgetBytes = Number.POSITIVE_INFINITY, progress } = this.#options;
    const due = this.#due(there);
    this.report.packs = there.size;
    const total = due.reduce((sum, { bytes }) => sum + bytes, 0);
    const bytesTotal = Math.min(total, budgetBytes);
    const longest = due.reduce((most, { bytes }) => Math.max(most, bytes), 0);
    const spare: Buffer[] = [];
    let begun = 0;
    let left = 0;
    await eachAtOnce(
      due,
      async (pack) => {
        this.#checkpoint();
        if (begun >= budgetBytes) {
          left++;
          return;
        }
        begun += pack.bytes;
        const memory = spare.pop() ?? Buffer.allocUnsafeSlow(Math.min(longest, PACK_BYTES_MAX));
        await this.#verifyPack(pack, memory);
        spare.push(memory);
        const { packsVerified, bytesVerified, damagedObjects } = this.report;
        progress({
          packsDone: packsVerified,
          packsTotal: due.length,
          bytesDone: bytesVerified,
          bytesTotal,
          errors: damagedObjects,
        });
      },
      PACKS_AT_ONCE,
    );
    this.report.packsLeft = left;
  }

  /** Those that were never verified, or longest ago, first. */
  #due(there: ReadonlyMap<string, TablePack>): TablePack[] {
    const { verified, after = Number.POSITIVE_INFINITY } = this.#options;
    const due = [...there].map(([hex, pack]) => ({
      pack,
      at: verified?.at(hex) ?? -1,
      chance: randomInt(2 ** 32),
    }));
    return due
      .filter(({ at }) => at < after)
      .sort((a, b) => a.at - b.at || a.chance - b.chance)
      .map(({ pack }) => pack);
  }

  async #verifyPack({ name }: TablePack, memory: Buffer): Promise<void> {
    const object = packName(name);
    let reading: PackReading;
    try {
      reading = await PackReading.open(this.#store, name, this.#secretsId, memory);
    } catch (error) {
      // A collector deleted it, or it cannot be read, which says nothing of its bytes.
      if (!isEverfullError(error)) throw error;
      if (error.code !== 'object-missing') this.#damage(object, error);
      return;
    }
    const { rows, error, bytes } = reading;
    this.report.packsVerified++;
    this.report.bytesVerified += bytes;
    if (rows === undefined) {
      this.#unreadable.set(hexOf(name), error!);
      return;
    }
    this.report.frames += rows.length;
    const lost: Uint8Array[] = [];
    let first = error;
    for (const row of rows) {
      const frame = await reading.frame(row);
      if (!(frame instanceof EverfullError)) {
        const { header } = decodeFrame(frame);
        if (header.sealing === Sealing.clear || (await this.#hasKey(header.dataKeyId))) continue;
        first ??= new EverfullError(
          'damaged',
          `Could not accept frames of ${object}: their data key ${hexOf(header.dataKeyId)} is missing or damaged`,
        );
      } else first ??= frame;
      lost.push(row.id);
    }
    // With another head nobody should build on any of its frames, however sound they are.
    if (first !== undefined)
      this.#damage(object, first, name, error === undefined ? lost : rows.map(({ id }) => id));
    else this.#options.verified?.note(hexOf(name), this.#options.clock.now());
  }

  #hasKey(id: Uint8Array): Promise<boolean> {
    const hex = hexOf(id);
    let known = this.#keys.get(hex);
    if (known === undefined) {
      known = this.#isSound(dataKeyName(id));
      this.#keys.set(hex, known);
    }
    return known;
  }

  async #isSound(name: string): Promise<boolean> {
    try {
      checkObject(name, await this.#store.get(name, { limit: RECORD_BYTES_MAX }));
      return true;
    } catch (error) {
      if (!isLoss(error)) throw error;
      return false;
    }
  }

  /** Checks index segments, and looks up in them which frames were in packs whose tables are lost, or which are gone. */
  async #verifySegments(there: ReadonlyMap<string, TablePack>): Promise<void> {
    const lost = new Map<string, Uint8Array[]>();
    const missing = new Map<string, string>();
    await segmentsOf(this.#store, {
      onSegment: (segment) => {
        this.#checkpoint();
        this.report.objects++;
        for (const [number, { name }] of segment.packs.entries()) {
          const hex = hexOf(name);
          const isGone = !there.has(hex);
          if (!isGone && !this.#unreadable.has(hex)) continue;
          if (isGone) missing.set(hex, segment.name);
          lost.set(hex, [...(lost.get(hex) ?? []), ...idsIn(segment, number)]);
        }
      },
      onError: (name, error) => {
        this.report.objects++;
        this.#damage(name, error);
      },
    });
    for (const [pack, error] of this.#unreadable) {
      const name = Buffer.from(pack, 'hex');
      this.#damage(packName(name), error, name, lost.get(pack));
    }
    for (const pack of await this.#missingPacks(missing)) {
      const name = Buffer.from(pack, 'hex');
      const error = new EverfullError(
        'object-missing',
        `Could not find "${packName(name)}": its index segment is there`,
      );
      this.#damage(packName(name), error, name, lost.get(pack));
    }
  }

  /**
   * The packs that are missing and should not be. A collector deletes packs that it condemned before, and its
   * list last: a pack that is in no list while its segment is still there was not deleted by one.
   */
  async #missingPacks(segments: ReadonlyMap<string, string>): Promise<string[]> {
    const gone: string[] = [];
    for (const pack of segments.keys())
      if (!(await exists(this.#store, packName(Buffer.from(pack, 'hex'))))) gone.push(pack);
    if (gone.length === 0) return [];
    const condemned = packsOf(await readCondemned(this.#store));
    const missing: string[] = [];
    for (const pack of gone)
      if (!condemned.has(pack) && (await exists(this.#store, segments.get(pack)!))) missing.push(pack);
    return missing;
  }

  async #verifyObjects(prefix: string): Promise<void> {
    const names: string[] = [];
    for await (const { name } of this.#store.list(prefix)) names.push(name);
    await eachAtOnce(names, async (name) => {
      this.#checkpoint();
      try {
        checkObject(name, await this.#store.get(name, { limit: RECORD_BYTES_MAX }));
      } catch (error) {
        if (!isEverfullError(error)) throw error;
        // Others delete, too. What cannot be judged by this version is no damage.
        if (error.code === 'object-missing' || error.code === 'unsupported') return;
        this.#damage(name, error);
      }
      this.report.objects++;
    });
  }
}

/** The ids that a segment places in one of its packs. */
function idsIn(segment: Segment, number: number): Uint8Array[] {
  return [...rowsOf(segment, number)].map(({ id }) => id);
}
