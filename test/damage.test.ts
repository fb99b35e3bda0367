import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Repository } from '../src/repository/mod.ts';
import { type Fault, faultsOf, kindOf } from './damage/faults.ts';
import { type Examiner, examine, type Outcome, printed } from './damage/outcome.ts';
import { makeSubject, type Subject, storeOf } from './damage/subject.ts';
import { checkAll, errorsIn, KEY } from './testing/repository-fixture.ts';

describe('a damaged repository', () => {
  let folder: string;
  let subject: Subject;
  let examiner: Examiner;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'everfull-damage-'));
    subject = await makeSubject(folder);
    const report = await checkAll(await Repository.open(storeOf(subject.objects), [KEY]));
    assert.deepEqual(errorsIn(report), []);
    examiner = { subject, baseline: printed(report), folder };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('is whole before anything happens to it', async () => {
    const outcome = await examine(examiner, subject.objects, () => true);
    assert.deepEqual([outcome.check, outcome.named, outcome.wrong, outcome.unnamed], ['silent', 0, [], []]);
    const files = subject.images.reduce((sum, { tree }) => sum + tree.size, 0);
    assert.equal(outcome.exact, 2 * files);
  });

  test('is noticed, whatever happens to any one object, and gives nothing wrong', async (context) => {
    const figures = new Map<string, number>();
    const count = (what: string, by = 1) => figures.set(what, (figures.get(what) ?? 0) + by);
    const missed: string[] = [];
    const wrong: string[] = [];
    const unnamed: string[] = [];
    let number = 0;
    for (const fault of faultsOf(subject)) {
      number++;
      const changed = new Map(subject.objects);
      fault.apply(changed);
      const what = `${fault.object} ${fault.kind} ${fault.how}`;
      const restored = number % subject.images.length;
      const outcome = await examine(examiner, changed, (image) => fault.restores && image === restored).catch(
        (error: unknown) => {
          throw new Error(`${what}: it broke the program`, { cause: error });
        },
      );
      count(fault.kind);
      count('exact', outcome.exact);
      count('named', outcome.named);
      wrong.push(...outcome.wrong.map((each) => `${what}: ${each}`));
      const reason = isNoticed(outcome) ? undefined : byDesign(subject, fault);
      if (isNoticed(outcome)) count('noticed');
      else if (reason === undefined) missed.push(`${what}: ${outcome.check}`);
      else count(`  ${reason} (${fault.kind})`);
      if (reason === undefined) unnamed.push(...outcome.unnamed.map((each) => `${what}: ${each}`));
    }
    context.diagnostic(
      `${subject.objects.size} objects, ${number} faults: ${[...figures].map(([what, n]) => `${what} ${n}`).join('; ')}; undetected ${missed.length}; wrong ${wrong.length}`,
    );
    assert.deepEqual(
      { missed: missed.slice(0, 40), wrong: wrong.slice(0, 40), unnamed: unnamed.slice(0, 40) },
      { missed: [], wrong: [], unnamed: [] },
    );
  });
});

function isNoticed({ check }: Outcome): boolean {
  return check === 'refused' || check === 'error';
}

function byDesign(subject: Subject, fault: Fault): string | undefined {
  return undefined;
}
