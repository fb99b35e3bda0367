import { randomBytes } from 'node:crypto';
import { equalBytes, isEverfullError } from '../base/mod.ts';
import { isTransient, type ObjectStore } from './store.ts';

/** Which of its promises a store was seen to keep. */
export interface StoreProbe {
  /** Of racing puts of one name exactly one wins, and its bytes stay. */
  readonly conditionalPut: boolean;
  /** A get that begins after a put, replace or delete sees it. */
  readonly readAfterWrite: boolean;
  /** A listing that begins after a put or delete sees it. */
  readonly listAfterWrite: boolean;
  /** A range gives its bytes, and one past the end is noticed. */
  readonly rangedGet: boolean;
}

const RACES = 3;
const RACERS = 16;
const LOOKS = 8;

/**
 * Tries what a store promises, as far as one process can see it: servers claim more than they do. Uses
 * objects below `probe/`, and removes them. Rejects with what the store rejects with.
 */
export async function probeStore(store: ObjectStore): Promise<StoreProbe> {
  const folder = `probe/${randomBytes(8).toString('hex')}`;
  const used = new Set<string>();
  const nameOf = (name: string) => {
    used.add(`${folder}/${name}`);
    return `${folder}/${name}`;
  };
  try {
    return {
      conditionalPut: await racesHaveOneWinner(store, nameOf),
      readAfterWrite: await readsSeeWrites(store, nameOf),
      listAfterWrite: await listingsSeeWrites(store, nameOf, `${folder}/listed`),
      rangedGet: await rangesAreRight(store, nameOf('range')),
    };
  } finally {
    await store.deleteDurably([...used]);
  }
}

async function racesHaveOneWinner(store: ObjectStore, nameOf: (name: string) => string): Promise<boolean> {
  for (let race = 0; race < RACES; race += 1) {
    const name = nameOf(`race-${race}`);
    const bytesOf = (racer: number) => Buffer.from(`racer ${racer}`);
    const outcomes = await Promise.allSettled(
      Array.from({ length: RACERS }, (_, racer) => store.putIfAbsent(name, [bytesOf(racer)])),
    );
    const winners: number[] = [];
    for (const [racer, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') winners.push(racer);
      else if (isEverfullError(outcome.reason, 'unsupported')) return false;
      else if (!isEverfullError(outcome.reason, 'object-exists')) throw outcome.reason;
    }
    if (winners.length !== 1) return false;
    if (!equalBytes(await store.get(name), bytesOf(winners[0]!))) return false;
  }
  return true;
}

async function readsSeeWrites(store: ObjectStore, nameOf: (name: string) => string): Promise<boolean> {
  for (let look = 0; look < LOOKS; look += 1) {
    const name = nameOf(`read-${look}`);
    // First a miss, which a server may remember.
    if ((await bytesIn(store, name)) !== undefined) return false;
    for (const text of ['first', 'second, longer']) {
      await store.replace(name, [Buffer.from(text)]);
      if ((await bytesIn(store, name))?.toString() !== text) return false;
      if ((await store.size(name)) !== text.length) return false;
    }
    await store.delete(name);
    if ((await bytesIn(store, name)) !== undefined) return false;
  }
  return true;
}

async function bytesIn(store: ObjectStore, name: string): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await store.get(name));
  } catch (error) {
    if (isEverfullError(error, 'object-missing')) return undefined;
    throw error;
  }
}

async function listingsSeeWrites(
  store: ObjectStore,
  nameOf: (name: string) => string,
  prefix: string,
): Promise<boolean> {
  const names = Array.from({ length: LOOKS }, (_, look) => nameOf(`listed-${look}`));
  const isListed = async (present: readonly string[]) => {
    const found: string[] = [];
    for await (const { name } of store.list(prefix)) found.push(name);
    return found.sort().join() === [...present].sort().join();
  };
  for (const [at, name] of names.entries()) {
    await store.replace(name, [Buffer.from('listed')]);
    if (!(await isListed(names.slice(0, at + 1)))) return false;
  }
  for (const [at, name] of names.entries()) {
    await store.delete(name);
    if (!(await isListed(names.slice(at + 1)))) return false;
  }
  return true;
}

async function rangesAreRight(store: ObjectStore, name: string): Promise<boolean> {
  const whole = Buffer.from('0123456789');
  await store.replace(name, [whole]);
  try {
    for (const [offset, length] of [
      [0, 10],
      [3, 4],
      [9, 1],
    ] as const) {
      const read = await store.get(name, { range: { offset, length } });
      if (!equalBytes(read, whole.subarray(offset, offset + length))) return false;
    }
  } catch (error) {
    // What a store makes of an answer that is not the range.
    if (isEverfullError(error, 'io', 'damaged') && !isTransient(error)) return false;
    throw error;
  }
  try {
    await store.get(name, { range: { offset: 8, length: 3 } });
    return false;
  } catch (error) {
    if (isEverfullError(error, 'damaged')) return true;
    throw error;
  }
}
