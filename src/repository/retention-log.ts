import { type Clock, EverfullError, equalBytes, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { type Decision, RECORD_BYTES_MAX, type RetentionRecord, retentionRecord } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { eachAtOnce } from './chunk-index.ts';
import { RETENTION_PREFIX, retentionName, SESSION_PREFIX } from './names.ts';
import { isLoss } from './pack-reading.ts';
import { Retention, type RetentionState } from './retention.ts';

/*
 * The log of what was decided of images: objects `retention/NUMBER`, each put if absent at the next number.
 * What holds, though anybody may stop for an hour between any two calls, and why:
 *
 * 1. Only numbers below a snapshot whose put has resolved are deleted. So a number that is free is the next
 *    one of the log, or it is a hole below such a snapshot, and what is put there is void for ever.
 * 2. Who put a record into a hole learns it from the listing after it, which shows that snapshot or a later
 *    one. Only a record that stands in the chain that is read after its put is acknowledged.
 * 3. A listing during which numbers are deleted may show any part of them, and what was put into their holes.
 *    Then a snapshot had resolved before that listing ended, and the next listing shows a higher number.
 *    So a chain counts if the listing before it and the one after it have the same highest number.
 * 4. A listing may show a number and not the one before it, where both are put meanwhile. Then the next
 *    listing shows more.
 */

/** So many records after the newest snapshot, and another is put. */
const SNAPSHOT_AFTER = 64;
const READ_AT_ONCE = 16;
/** Listings that show the same gap one after another: by 3 and 4 of the above the second may, the third may not. */
const SAME_LISTINGS_MAX = 3;

export interface ReadRetentionOptions {
  /** Makes what is read durable, whoever put it: for those who delete because of it. */
  readonly durable?: boolean;
}

/**
 * What is in force of all that was decided before the call. Rejects with 'damaged' where a record that
 * counts is missing or cannot be read: an image that it forgets must not be taken for one, nor a hold be lost.
 */
export async function readRetention(
  store: ObjectStore,
  { durable = false }: ReadRetentionOptions = {},
): Promise<RetentionState> {
  const chain = await readChain(store);
  if (durable) await eachAtOnce(chain, async (record) => void (await putRecord(store, record)));
  return new Retention(chain);
}

/**
 * Appends to the log what `decide` makes of the newest state, and gives the state after it. Where somebody
 * else came first, `decide` is asked again. It may also be asked again where it is not known whether what it
 * said came into force; then the state says. Where it gives nothing, nothing is put. What it decides of images
 * it must look up itself, after it was given the state.
 *
 * When this resolves, what was decided is in force and survives a power cut; when it rejects, it may be.
 */
export async function decideRetention(
  store: ObjectStore,
  clock: Clock,
  decide: (state: RetentionState) => readonly Decision[] | Promise<readonly Decision[]>,
  { snapshotAfter = SNAPSHOT_AFTER } = {},
): Promise<RetentionState> {
  for (let chain = await readChain(store); ; ) {
    const state = new Retention(chain);
    const decisions = await decide(state);
    if (decisions.length === 0) return state;
    const record = { number: state.next, decided: clock.now(), isSnapshot: 0, decisions };
    const isPut = await putRecord(store, record);
    chain = await readChain(store);
    // Below a snapshot it is void, or part of it.
    if (!isPut || chain[0]!.number > record.number) continue;
    const decided = new Retention(chain);
    if (chain.length > snapshotAfter) await tidy(store, clock, decided);
    return decided;
  }
}

/** The records from the newest snapshot, or from the first on, that were there when this was called. */
async function readChain(store: ObjectStore): Promise<RetentionRecord[]> {
  let numbers = await listNumbers(store);
  for (let same = 0; ; ) {
    const chain = await recordsOf(store, numbers);
    const after = await listNumbers(store);
    if (typeof chain !== 'number' && after[0] === numbers[0]) return chain;
    same = after.join() === numbers.join() ? same + 1 : 0;
    if (same === SAME_LISTINGS_MAX)
      throw new EverfullError('damaged', `Could not read ${retentionName(chain as number)}: it is missing`, {
        advice:
          'Put it back from a copy of the repository: it says which images are forgotten and which are held.',
      });
    numbers = after;
  }
}

/** The numbers of all records, highest first. */
async function listNumbers(store: ObjectStore): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { name } of store.list(RETENTION_PREFIX, { sizes: false })) {
    const number = name.slice(RETENTION_PREFIX.length);
    if (/^\d{10}$/.test(number)) numbers.push(Number(number));
  }
  return numbers.sort((a, b) => b - a);
}

/**
 * The records from the newest snapshot, or from the first, to the highest number; or the number that is missing.
 *
 * @param numbers highest first
 */
async function recordsOf(
  store: ObjectStore,
  numbers: readonly number[],
): Promise<RetentionRecord[] | number> {
  const records: RetentionRecord[] = [];
  let expected = numbers[0] ?? -1;
  for (let at = 0; at < numbers.length; at += READ_AT_ONCE) {
    const some = numbers.slice(at, at + READ_AT_ONCE);
    // What is below the snapshot does not matter, nor does damage to it.
    for (const read of await Promise.allSettled(some.map((number) => readRecord(store, number)))) {
      if (read.status === 'rejected') throw read.reason;
      const record = read.value;
      if (record?.number !== expected) return expected;
      records.push(record);
      if (record.isSnapshot === 1 || expected === 0) return records.reverse();
      expected--;
    }
  }
  return expected < 0 ? records : expected;
}

/** The record of a number; undefined where it was deleted. */
async function readRecord(store: ObjectStore, number: number): Promise<RetentionRecord | undefined> {
  const name = retentionName(number);
  try {
    const record = retentionRecord.decode(await store.get(name, { limit: RECORD_BYTES_MAX }), digest);
    if (record.number === number) return record;
    throw new EverfullError('damaged', `Could not read ${name}: it is the record ${record.number}`);
  } catch (error) {
    if (isEverfullError(error, 'object-missing')) return undefined;
    throw error;
  }
}

/** Whether the record of this number is this one. */
async function putRecord(store: ObjectStore, record: RetentionRecord): Promise<boolean> {
  const name = retentionName(record.number);
  const bytes = retentionRecord.encode(record, digest);
  try {
    await store.putIfAbsent(name, [bytes]);
    return true;
  } catch (error) {
    if (!isEverfullError(error, 'object-exists')) throw error;
  }
  // The answer to a put that took effect may have been lost.
  const found = await readRecord(store, record.number);
  return found !== undefined && equalBytes(retentionRecord.encode(found, digest), bytes);
}

/**
 * Restates what is in force as one record, so that those before it are read no longer, and deletes them.
 * The decision is in force already: what fails here is left to the next who decides.
 */
async function tidy(store: ObjectStore, clock: Clock, state: Retention): Promise<void> {
  try {
    const named = new Set<string>();
    for await (const { name } of store.list(SESSION_PREFIX, { sizes: false }))
      named.add(name.slice(SESSION_PREFIX.length, name.lastIndexOf('.')));
    const decisions = state.restated((session) => named.has(hexOf(session)));
    const snapshot = { number: state.next, decided: clock.now(), isSnapshot: 1, decisions };
    if (!(await putRecord(store, snapshot))) return;
    for (const number of await listNumbers(store))
      if (number < snapshot.number) await store.delete(retentionName(number));
  } catch (error) {
    if (!isEverfullError(error)) throw error;
  }
}

/** What a repair of the log found. */
export interface RetentionRepair {
  /** Records that cannot be read, or are missing, by name: what they said is lost. */
  readonly lost: readonly string[];
}

/**
 * Makes the log readable again where records of it are damaged or missing: a snapshot restates what the rest
 * say. Images that only a lost record forgot are there again; a hold or a lock that only it knew is gone.
 */
export async function repairRetention(
  store: ObjectStore,
  clock: Clock,
  { dryRun }: { readonly dryRun: boolean },
): Promise<RetentionRepair> {
  const numbers = await listNumbers(store);
  const records: RetentionRecord[] = [];
  const lost: string[] = [];
  const there = new Set(numbers);
  for (let number = numbers[0] ?? -1; number >= 0; number--) {
    const record = there.has(number) ? await readRecord(store, number).catch(unlessLoss) : undefined;
    if (record === undefined) lost.push(retentionName(number));
    else records.push(record);
    // What is below a snapshot is part of it.
    if (record?.isSnapshot === 1) break;
  }
  if (lost.length === 0 || dryRun) return { lost };
  const state = new Retention(records.reverse());
  const number = numbers[0]! + 1;
  const snapshot = { number, decided: clock.now(), isSnapshot: 1, decisions: state.restated(() => true) };
  if (!(await putRecord(store, snapshot)))
    throw new EverfullError(
      'object-exists',
      'Could not repair the retention log: somebody decided meanwhile',
      {
        advice: 'Run the repair again.',
      },
    );
  return { lost };
}

function unlessLoss(error: unknown): undefined {
  if (!isLoss(error)) throw error;
}
