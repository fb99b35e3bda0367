import { bytesFromHex, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { condemnedRecord, PACK_NAME_BYTES, RECORD_BYTES_MAX, type TablePack } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { CONDEMNED_PREFIX, PACK_PREFIX } from './names.ts';

/** What a run of collection has condemned. */
export interface CondemnedList {
  /** The object. */
  readonly name: string;
  readonly packs: readonly Uint8Array[];
}

/** All condemned lists. One that cannot be read rejects: nobody knows then what may be built on. */
export async function readCondemned(store: ObjectStore): Promise<CondemnedList[]> {
  const lists: CondemnedList[] = [];
  for await (const { name } of store.list(CONDEMNED_PREFIX)) {
    try {
      const { packs } = condemnedRecord.decode(await store.get(name, { limit: RECORD_BYTES_MAX }), digest);
      lists.push({ name, packs });
    } catch (error) {
      // A list goes when all of its packs are gone.
      if (!isEverfullError(error, 'object-missing')) throw error;
    }
  }
  return lists;
}

/** By its name in hexadecimal digits, each pack that is there. */
export async function listPacks(store: ObjectStore): Promise<Map<string, TablePack>> {
  const packs = new Map<string, TablePack>();
  for await (const { name, size } of store.list(PACK_PREFIX)) {
    const hex = name.slice(name.lastIndexOf('/') + 1);
    if (hex.length === 2 * PACK_NAME_BYTES) packs.set(hex, { name: bytesFromHex(hex), bytes: size });
  }
  return packs;
}

/** The packs of some lists, in hexadecimal digits. */
export function packsOf(lists: readonly CondemnedList[]): Set<string> {
  return new Set(lists.flatMap(({ packs }) => packs.map(hexOf)));
}
