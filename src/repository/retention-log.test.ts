import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Clock, hexOf, systemClock } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { ALL_DATASETS, type Decision, DecisionKind, retentionRecord } from '../format/mod.ts';
import { MemoryStore } from '../store/mod.ts';
import { retentionName, sessionEndName } from './names.ts';
import { decideRetention, readRetention } from './retention-log.ts';
import { type LogUnderTest, runRetentionWorld } from './testing/retention-world.ts';

const SEEDS = 250;
/** A mutant that survives so many is one that the world cannot kill. */
const MUTANT_SEEDS = 1000;

const clockAt = (time: number): Clock => ({ ...systemClock, now: () => time });
const session = (number: number) => Buffer.alloc(16, number);
const NOW = 1000;

const forget = (subject: Uint8Array): Decision => ({
  kind: DecisionKind.forget,
  subject,
  until: 0,
  note: '',
});
const hold = (subject: Uint8Array, until = 0, note = ''): Decision => ({
  kind: DecisionKind.hold,
  subject,
  until,
  note,
});
const lock = (subject: Uint8Array, until: number): Decision => ({
  kind: DecisionKind.lock,
  subject,
  until,
  note: '',
});

function put(store: MemoryStore, ...decisions: Decision[]) {
  return decideRetention(store, clockAt(NOW), () => decisions);
}

test('a repository in which nothing was decided has no log', async () => {
  const store = new MemoryStore();
  const state = await readRetention(store);
  assert.equal(state.next, 0);
  assert.equal(state.isForgotten(session(1)), false);
  assert.equal((await put(store)).next, 0);
  assert.equal(store.objects.size, 0);
});

test('what was decided is in force for every reader', async () => {
  const store = new MemoryStore();
  await put(store, forget(session(1)), forget(session(2)));
  const state = await put(store, hold(session(3), 0, 'why'), lock(session(9), NOW + 5));
  for (const each of [state, await readRetention(store)]) {
    assert.equal(each.next, 2);
    assert.deepEqual(
      [1, 2, 3].map((number) => each.isForgotten(session(number))),
      [true, true, false],
    );
    assert.deepEqual(each.hold(session(3), NOW), { until: 0, note: 'why' });
    assert.equal(each.hold(session(4), NOW), undefined);
    assert.equal(each.lock(session(9), NOW), NOW + 5);
    assert.equal(each.lock(session(8), NOW), 0);
  }
});

test('a hold ends at its time or when it is released, and the longest counts', async () => {
  const store = new MemoryStore();
  await put(store, hold(session(1), NOW + 10, 'long'));
  const shorter = await put(store, hold(session(1), NOW + 5, 'short'));
  assert.deepEqual(shorter.hold(session(1), NOW), { until: NOW + 10, note: 'long' });
  assert.equal(shorter.hold(session(1), NOW + 10), undefined);
  assert.deepEqual((await put(store, hold(session(1)))).holds(NOW), [[session(1), { until: 0, note: '' }]]);
  const released = await put(store, { ...hold(session(1)), kind: DecisionKind.release });
  assert.deepEqual(released.holds(NOW), []);
  assert.deepEqual((await put(store, hold(session(1), NOW + 1))).hold(session(1), NOW)?.until, NOW + 1);
});

test('a lock is never shortened, and that of the repository holds for every dataset', async () => {
  const store = new MemoryStore();
  await put(store, lock(session(1), NOW + 10));
  await put(store, lock(session(1), NOW + 5));
  const state = await put(store, lock(ALL_DATASETS, NOW + 7));
  assert.equal(state.lock(session(1), NOW), NOW + 10);
  assert.equal(state.lock(session(2), NOW), NOW + 7);
  assert.equal(state.lock(session(2), NOW + 7), 0);
  assert.deepEqual(
    state.locks(NOW + 7).map(([dataset, { until }]) => [hexOf(dataset), until]),
    [[hexOf(session(1)), NOW + 10]],
  );
});

test('a long log is restated in a snapshot, without the forgets that nothing is left of', async () => {
  const store = new MemoryStore();
  store.objects.set(sessionEndName(session(1)), Buffer.alloc(1));
  await put(store, forget(session(1)), forget(session(2)));
  await put(store, hold(session(3), NOW + 10, 'why'), lock(session(9), NOW + 5));
  let last = 0;
  for (let i = 0; i < 70; i++) {
    // Clocks that are wrong end nothing for others.
    const clock = clockAt(NOW * 1000);
    last = (await decideRetention(store, clock, () => [hold(session(4), i + 1)])).next;
  }
  assert.equal(last, 73);
  assert.ok(store.objects.size < 12, `${store.objects.size} objects`);
  const state = await readRetention(store);
  assert.equal(state.isForgotten(session(1)), true);
  assert.equal(state.isForgotten(session(2)), false);
  assert.deepEqual(state.hold(session(3), NOW), { until: NOW + 10, note: 'why' });
  assert.equal(state.lock(session(9), NOW), NOW + 5);
  assert.equal(state.hold(session(4), 0)?.until, 70);
});

test('a store that deletes nothing does not keep decisions from being made', async () => {
  const store = new (class extends MemoryStore {
    override async delete(name: string): Promise<void> {
      await this.get(`no/${name}`);
    }
  })();
  for (let i = 0; i < 30; i++)
    await decideRetention(store, clockAt(NOW), () => [hold(session(4), i + 1)], { snapshotAfter: 8 });
  assert.equal((await readRetention(store)).hold(session(4), 0)?.until, 30);
  // Damage below the newest snapshot harms nothing.
  store.objects.set(retentionName(0), Buffer.alloc(3));
  store.objects.delete(retentionName(5));
  assert.equal((await readRetention(store)).hold(session(4), 0)?.until, 30);
});

test('a record that counts and is missing, damaged or in the place of another is an error', async () => {
  const store = new MemoryStore();
  for (let i = 0; i < 3; i++) await put(store, hold(session(4), i + 1));
  const sound = store.objects.get(retentionName(1))!;
  for (const bytes of [undefined, Buffer.from('rot'), store.objects.get(retentionName(2))!]) {
    if (bytes === undefined) store.objects.delete(retentionName(1));
    else store.objects.set(retentionName(1), bytes);
    await assert.rejects(readRetention(store), {
      code: 'damaged',
      message: /retention\/0000000001|decision/,
    });
    await assert.rejects(put(store, hold(session(1))), { code: 'damaged' });
  }
  store.objects.set(retentionName(1), sound);
  assert.equal((await readRetention(store)).next, 3);
});

test('who comes second is asked again, with what the first decided', async () => {
  const store = new MemoryStore();
  const seen: boolean[] = [];
  const second = await decideRetention(store, clockAt(NOW), async (state) => {
    seen.push(state.isForgotten(session(1)));
    if (seen.length === 1) await put(store, forget(session(1)));
    return state.isForgotten(session(1)) ? [] : [hold(session(1))];
  });
  assert.deepEqual(seen, [false, true]);
  assert.equal(second.hold(session(1), NOW), undefined);
  assert.equal(second.next, 1);
});

test('what was put below a snapshot by one who slept is void, and is decided again', async () => {
  const store = new MemoryStore();
  let asked = 0;
  const state = await decideRetention(store, clockAt(NOW), async () => {
    if (asked++ === 0) for (let i = 0; i < 66; i++) await put(store, hold(session(4), i + 1));
    return [hold(session(1))];
  });
  assert.equal(asked, 2);
  assert.ok(store.objects.has(retentionName(0)), 'it was put where another record had been');
  assert.notEqual(state.hold(session(1), NOW), undefined);
  assert.notEqual((await readRetention(store)).hold(session(1), NOW), undefined);
});

test('a decision whose put was answered by an error, though it took effect, counts as made', async () => {
  const store = new (class extends MemoryStore {
    override async putIfAbsent(name: string, parts: readonly Uint8Array[]): Promise<void> {
      await super.putIfAbsent(name, parts);
      await super.putIfAbsent(name, parts);
    }
  })();
  let asked = 0;
  await decideRetention(store, clockAt(NOW), () => {
    asked++;
    return [hold(session(1))];
  });
  assert.equal(asked, 1);
});

test('records are what the format says', async () => {
  const store = new MemoryStore();
  await put(store, hold(session(1), 5, 'why'));
  const record = retentionRecord.decode(store.objects.get('retention/0000000000')!, digest);
  assert.deepEqual([record.number, record.decided, record.isSnapshot], [0, NOW, 0]);
  assert.deepEqual([record.decisions[0]!.until, record.decisions[0]!.note], [5, 'why']);
});

test('in any order of calls what was acknowledged is in the log, and no held image is forgotten', async (context) => {
  for (let seed = 1; seed <= SEEDS; seed++)
    assert.equal(
      await runRetentionWorld({ readRetention, decideRetention }, seed),
      undefined,
      `seed ${seed}`,
    );
  context.diagnostic(`${SEEDS} seeds`);
});

/** Changes to the text of the log, each of which loses a decision in some order of calls. */
const MUTANTS: Readonly<Record<string, readonly (readonly [from: string, to: string])[]>> = {
  'no look at the log after a put': [['if (!isPut || chain[0]!.number > record.number)', 'if (!isPut)']],
  'a gap in a listing does not matter': [
    [
      'if (record?.number !== expected) return expected;',
      'if (record === undefined) continue;\nexpected = record.number;',
    ],
    ['return expected < 0 ? records : expected;', 'return records.reverse();'],
  ],
  'one listing is enough': [['after[0] === numbers[0]', 'true']],
  'a snapshot leaves out forgets of images that are there': [['named.has(hexOf(session))', 'false']],
  'a snapshot that another record took the number of': [
    ['if (!(await putRecord(store, snapshot))) return;', 'await putRecord(store, snapshot);'],
  ],
  'a put that finds another record counts': [['if (!isPut ||', 'if (']],
};

async function mutantOf(
  folder: string,
  changes: readonly (readonly [from: string, to: string])[],
): Promise<LogUnderTest> {
  const source = new URL('retention-log.ts', import.meta.url);
  let text = readFileSync(source, 'utf8');
  for (const [from, to] of changes) {
    assert.equal(text.split(from).length, 2, `the source has "${from}" once`);
    text = text.replace(from, to);
  }
  text = text.replaceAll(/from '(\.[^']+)'/g, (_, path: string) => `from '${new URL(path, source)}'`);
  const file = join(folder, 'mutant.mts');
  writeFileSync(file, text);
  return import(pathToFileURL(file).href);
}

for (const [name, changes] of Object.entries(MUTANTS)) {
  test(`a log with this mistake is found out: ${name}`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'everfull-mutant-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const mutant = await mutantOf(folder, changes);
    for (let seed = 1; seed <= MUTANT_SEEDS; seed++) {
      const violation = await runRetentionWorld(mutant, seed);
      if (violation === undefined) continue;
      context.diagnostic(`seed ${seed}: ${violation}`);
      return;
    }
    assert.fail(`${MUTANT_SEEDS} seeds found nothing`);
  });
}
