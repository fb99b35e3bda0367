import { byteStringFromText, type Clock, EverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { ENGINE_BYTES_MAX, storeRecord } from '../format/mod.ts';
import { STORE } from '../repository/mod.ts';
import { type ObjectStore, probeStore, type StoreProbe } from '../store/mod.ts';

/** What it means that a promise is broken. */
const BROKEN: Readonly<Record<keyof StoreProbe, string>> = {
  conditionalPut: 'of several that put an object of one name at once, not exactly one wins',
  readAfterWrite: 'what was just written is not what is read',
  listAfterWrite: 'what was just written is not what is listed',
  rangedGet: 'a part of an object is not what it should be',
};

/**
 * Tries whether a store on somebody else's program keeps what a repository rests on, and writes down what
 * was seen as the object `store`. Rejects with 'unsupported' where it does not. A store without a foreign
 * engine is taken at its word.
 */
export async function tryStore(store: ObjectStore, clock: Clock): Promise<void> {
  if (store.engine === undefined) return;
  const probe = await probeStore(store);
  const engine = store.engine();
  for (const [promise, meaning] of Object.entries(BROKEN)) {
    if (probe[promise as keyof StoreProbe]) continue;
    throw new EverfullError(
      'unsupported',
      `Could not make a repository at "${store.location}": there, ${meaning}`,
      {
        context: { engine, promise },
        advice:
          'Use a store that has conditional writes (PUT with If-None-Match) and is consistent, such as Ceph 16 or newer, or a folder.',
      },
    );
  }
  const { conditionalPut, readAfterWrite, listAfterWrite, rangedGet } = probe;
  const record = {
    probed: clock.now(),
    conditionalPut: Number(conditionalPut),
    readAfterWrite: Number(readAfterWrite),
    listAfterWrite: Number(listAfterWrite),
    rangedGet: Number(rangedGet),
    engine: byteStringFromText(engine).slice(0, ENGINE_BYTES_MAX),
  };
  await store.replace(STORE, [storeRecord.encode(record, digest)]);
}
