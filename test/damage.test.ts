import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Repository } from '../src/repository/mod.ts';
import { type Fault, faultsOf, kindOf } from './damage/faults.ts';
import { type Examiner, examine, type Outcome, printed } from './damage/outcome.ts';
import { makeSubject, type Objects, type Subject, storeOf } from './damage/subject.ts';
import { checkAll, errorsIn, KEY, temporaryFolder } from './testing/repository-fixture.ts';

describe('a damaged repository', () => {
  let folder: string;
  let subject: Subject;
  let examiner: Examiner;

  before(async () => {
    folder = temporaryFolder();
    subject = await makeSubject(folder);
    const report = await checkAll(await Repository.open(storeOf(subject.objects), [KEY]));
    assert.deepEqual(errorsIn(report), []);
    examiner = { subject, baseline: printed(report), folder };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('is whole before anything happens to it', async () => {
    const outcome = await examine(examiner, subject.objects, { restores: () => true });
    assert.deepEqual([outcome.check, outcome.named, outcome.wrong, outcome.unnamed], ['silent', 0, [], []]);
    const files = subject.images.reduce((sum, { tree }) => sum + tree.size, 0);
    assert.equal(outcome.exact, 2 * files);
  });

  test('is noticed, whatever happens to any one object, and gives nothing wrong', async (context) => {
    const tally = new Tally();
    let worth = 0;
    for (const fault of faultsOf(subject)) {
      const what = `${fault.object} ${fault.kind} ${fault.how}`;
      const objects = withFaults([fault]);
      // A restore takes as long as many checks: one image each, after every third that is worth it.
      const isRestored =
        fault.depth === 'restore' && HOLDS_DATA.has(kindOf(fault.object)) && ++worth % 3 === 0;
      const outcome = await examine(examiner, objects, {
        reads: fault.depth !== 'check',
        restores: (image) => isRestored && image === Math.floor(worth / 3) % subject.images.length,
      }).catch((cause: unknown) => {
        throw new Error(`${what}: it broke the program`, { cause });
      });
      tally.count(`${kindOf(fault.object)} ${fault.kind}`);
      if (isRestored) tally.restores++;
      const reason = isNoticed(outcome) ? undefined : reasonFor(fault);
      if (reason === NOTICED_BY_HEAD) assert.ok(await isNoticedByHead(objects), what);
      tally.add(what, outcome, reason);
    }
    for (const line of tally.lines(subject.objects.size)) context.diagnostic(line);
    tally.assertNothingMissed();
  });

  test('gives nothing wrong when several of its objects are damaged at once', async (context) => {
    const faults = [...faultsOf(subject)].filter(({ object }) => HOLDS_DATA.has(kindOf(object)));
    const tally = new Tally();
    for (let storm = 0; storm < STORMS; storm++) {
      // Apart by a prime, so that they fall on objects of all kinds.
      const some = Array.from({ length: 3 }, (_, i) => faults[(storm * 7919 + i * 104_729) % faults.length]!);
      const what = some.map(({ object, kind, how }) => `${object} ${kind} ${how}`).join(' and ');
      tally.restores += subject.images.length;
      tally.add(what, await examine(examiner, withFaults(some), { restores: () => true }));
    }
    context.diagnostic(tally.total());
    tally.assertNothingMissed();
  });

  test('that was rolled back, or went on in another way, is noticed by who remembers its head', async (context) => {
    const newest = [...subject.objects.keys()].filter(
      (name) => !subject.older.has(name) && !subject.unused.has(name),
    );
    const cases: Record<string, Objects> = {
      'put back to what it was two images ago': subject.older,
      'gone on from there with another image': subject.forked,
      'without the manifests and sessions of the newest images': new Map(
        [...subject.objects].filter(
          ([name]) => !newest.includes(name) || !/^(manifests|sessions)/.test(name),
        ),
      ),
    };
    for (const [what, objects] of Object.entries(cases)) {
      const alone = await checkAll(await Repository.open(storeOf(objects), [KEY]));
      assert.deepEqual(errorsIn(alone), [], what);
      assert.ok(await isNoticedByHead(objects), what);
    }
    context.diagnostic(
      `${Object.keys(cases).length} rollbacks, noticed by the head ${Object.keys(cases).length}`,
    );
  });

  function withFaults(faults: readonly Fault[]): Objects {
    const objects = new Map(subject.objects);
    for (const fault of faults) fault.apply(objects);
    return objects;
  }

  async function isNoticedByHead(objects: Objects): Promise<boolean> {
    const repository = await Repository.open(storeOf(objects), [KEY]);
    return errorsIn(await checkAll(repository, subject.stateFolder)).length > 0;
  }

  /** Why nobody who sees the repository alone can tell that something is wrong, where that is so. */
  function reasonFor({ object, kind }: Fault): string | undefined {
    if (kind !== 'deleted') return undefined;
    if (subject.unused.has(object)) return 'left behind by a backup that made no image: nothing is lost';
    if (kindOf(object) === 'keys/slot') return 'keys are removed on purpose, and who has the secret notices';
    return kindOf(object) === 'session.end' ? NOTICED_BY_HEAD : undefined;
  }
});

const NOTICED_BY_HEAD = 'the end of a newest image: noticed by who remembers its head';
const STORMS = 6;

/** What restores read, besides what every opening of the repository reads. */
const HOLDS_DATA: ReadonlySet<string> = new Set(['packs', 'index', 'keys/data', 'manifests']);

function isNoticed({ check }: Outcome): boolean {
  return check === 'refused' || check === 'error';
}

/** Figures over many cases. */
class Tally {
  readonly #kinds = new Map<string, number>();
  readonly #byDesign = new Map<string, number>();
  readonly #missed: string[] = [];
  readonly #wrong: string[] = [];
  readonly #unnamed: string[] = [];
  #cases = 0;
  #noticed = 0;
  #exact = 0;
  #named = 0;
  restores = 0;

  count(kind: string): void {
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }

  /** @param reason why it need not be noticed */
  add(what: string, outcome: Outcome, reason?: string): void {
    this.#cases++;
    this.#exact += outcome.exact;
    this.#named += outcome.named;
    this.#wrong.push(...outcome.wrong.map((each) => `${what}: ${each}`));
    if (isNoticed(outcome)) this.#noticed++;
    else if (reason === undefined) this.#missed.push(`${what}: ${outcome.check}`);
    else this.#byDesign.set(reason, (this.#byDesign.get(reason) ?? 0) + 1);
    if (reason === undefined) this.#unnamed.push(...outcome.unnamed.map((each) => `${what}: ${each}`));
  }

  total(): string {
    return `${this.#cases} cases: noticed ${this.#noticed}, missed ${this.#missed.length}; ${this.restores} restores; entries exact ${this.#exact}, named as lost ${this.#named}, wrong ${this.#wrong.length}, silently missing ${this.#unnamed.length}`;
  }

  lines(objects: number): string[] {
    return [
      `${objects} objects, ${this.total()}`,
      [...this.#kinds].map(([kind, count]) => `${kind} ${count}`).join(', '),
      ...[...this.#byDesign].map(([reason, count]) => `counted apart: ${count}, ${reason}`),
    ];
  }

  assertNothingMissed(): void {
    const first = (list: readonly string[]) => list.slice(0, 20);
    assert.deepEqual(
      { missed: first(this.#missed), wrong: first(this.#wrong), unnamed: first(this.#unnamed) },
      { missed: [], wrong: [], unnamed: [] },
    );
  }
}
