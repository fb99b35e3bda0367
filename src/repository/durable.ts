import { isEverfullError } from '../base/mod.ts';
import { RECORD_BYTES_MAX } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';

/**
 * Makes sure that a small object which is there outlasts a power cut, whoever put it: another put of it may
 * still be under way. Whether it is there.
 */
export async function makeDurable(store: ObjectStore, name: string): Promise<boolean> {
  try {
    // That it exists is a durable answer.
    await store.putIfAbsent(name, [await store.get(name, { limit: RECORD_BYTES_MAX })]);
    return true;
  } catch (error) {
    if (isEverfullError(error, 'object-missing')) return false;
    if (!isEverfullError(error, 'object-exists')) throw error;
    return true;
  }
}
