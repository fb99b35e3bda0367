import { randomBytes } from 'node:crypto';
import {
  type ByteString,
  bufferOf,
  bytesOf,
  type Clock,
  type EverfullError,
  isEverfullError,
} from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { DAMAGED_MAX, damagedRecord, ID_BYTES, RECORD_BYTES_MAX, RUN_ID_BYTES } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { DAMAGED_PREFIX, damagedName } from './names.ts';

/** A frame in a pack. */
export interface PlacedFrame {
  readonly id: Uint8Array;
  /** The pack's name. */
  readonly pack: Uint8Array;
}

/** Which frames were found damaged, and where. */
export interface DamagedFrames {
  has(id: Uint8Array, pack: Uint8Array): boolean;
  /** How many places there are. */
  readonly size: number;
  /** Each frame that is damaged somewhere, once. */
  ids(): Iterable<Uint8Array>;
  places(): Iterable<PlacedFrame>;
}

/** Takes a record of damage that cannot be read. */
export type OnUnreadable = (name: string, error: EverfullError) => void;

/**
 * What all verifications recorded. One record that cannot be read rejects, unless `onUnreadable` takes
 * it: nobody knows then what may be built on.
 */
export async function readDamaged(store: ObjectStore, onUnreadable?: OnUnreadable): Promise<DamagedFrames> {
  const damaged = new DamagedSet();
  for await (const { name } of store.list(DAMAGED_PREFIX)) {
    try {
      const record = damagedRecord.decode(await store.get(name, { limit: RECORD_BYTES_MAX }), digest);
      for (const { id, pack } of record.frames) damaged.add(id, pack);
    } catch (error) {
      // A record goes when nothing of what it names is there any more.
      if (isEverfullError(error, 'object-missing')) continue;
      if (onUnreadable === undefined || !isEverfullError(error, 'damaged')) throw error;
      onUnreadable(name, error);
    }
  }
  return damaged;
}

/**
 * Records the places that are not in `known` yet. How many those are; where there are none, nothing is put.
 *
 * @param options.framesMax of one record
 */
export async function recordDamaged(
  store: ObjectStore,
  clock: Clock,
  known: DamagedFrames,
  found: readonly PlacedFrame[],
  { framesMax = DAMAGED_MAX } = {},
): Promise<number> {
  const fresh = new DamagedSet();
  for (const { id, pack } of found) if (!known.has(id, pack)) fresh.add(id, pack);
  const frames = [...fresh.places()];
  for (let from = 0; from < frames.length; from += framesMax) {
    const verification = randomBytes(RUN_ID_BYTES);
    const record = damagedRecord.encode(
      { verification, found: clock.now(), frames: frames.slice(from, from + framesMax) },
      digest,
    );
    await store.putIfAbsent(damagedName(verification), [record]);
  }
  return frames.length;
}

/** About 150 bytes a place. */
class DamagedSet implements DamagedFrames {
  /** Id and pack joined. */
  readonly #places = new Set<ByteString>();

  add(id: Uint8Array, pack: Uint8Array): void {
    this.#places.add(placeOf(id, pack));
  }

  has(id: Uint8Array, pack: Uint8Array): boolean {
    return this.#places.size > 0 && this.#places.has(placeOf(id, pack));
  }

  get size(): number {
    return this.#places.size;
  }

  *ids(): Generator<Uint8Array> {
    for (const id of new Set([...this.#places].map((place) => place.slice(0, ID_BYTES)))) yield bytesOf(id);
  }

  *places(): Generator<PlacedFrame> {
    for (const place of this.#places)
      yield { id: bytesOf(place.slice(0, ID_BYTES)), pack: bytesOf(place.slice(ID_BYTES)) };
  }
}

function placeOf(id: Uint8Array, pack: Uint8Array): ByteString {
  return bufferOf(id).toString('latin1') + bufferOf(pack).toString('latin1');
}

/** A record of damage. */
export interface DamageList {
  /** The object. */
  readonly name: string;
  readonly frames: readonly PlacedFrame[];
  /** The packs of the frames, each once. */
  readonly packs: readonly Uint8Array[];
}

export async function readDamageLists(store: ObjectStore): Promise<DamageList[]> {
  const lists: DamageList[] = [];
  for await (const { name } of store.list(DAMAGED_PREFIX)) {
    try {
      const { frames } = damagedRecord.decode(await store.get(name, { limit: RECORD_BYTES_MAX }), digest);
      const packs = new Map(frames.map(({ pack }) => [bufferOf(pack).toString('latin1'), pack]));
      lists.push({ name, frames, packs: [...packs.values()] });
    } catch (error) {
      if (!isEverfullError(error, 'object-missing')) throw error;
    }
  }
  return lists;
}
