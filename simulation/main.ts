/**
 * `npm run simulate -- [--seeds N] [--seed FIRST] [--mutant NAME | --mutants] [--trace]`: runs the repository
 * in simulated worlds, and tells what went wrong in them.
 */
import { parseArgs } from 'node:util';
import { MUTANTS } from './mutants.ts';
import { killerOf, type Outcome, simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});
const seeds = Number(values.seeds);
const first = Number(values.seed);

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function tell({ seed, steps, violation }: Outcome): void {
  print(`seed ${seed}, step ${steps}: ${violation!.message}`);
  if (values.trace) for (const line of violation!.trace) print(`  ${line}`);
}

/** The violations. */
async function runAll(): Promise<number> {
  const counts = new Map<string, number>();
  const begun = performance.now();
  let steps = 0;
  let violations = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await simulate(seed, chosen);
    steps += outcome.steps;
    for (const [kind, count] of outcome.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
    if (outcome.violation === undefined) continue;
    violations++;
    tell(outcome);
  }
  const seconds = (performance.now() - begun) / 1000;
  print(
    `seeds ${seeds} (${(seeds / seconds).toFixed(0)} a second), steps ${steps}, violations ${violations}`,
  );
  for (const [kind, count] of [...counts].sort()) print(`  ${kind} ${count}`);
  return violations;
}

/** The mutants that nobody found out. */
async function runMutants(): Promise<number> {
  let alive = 0;
  for (const mutant of MUTANTS) {
    const outcome = await killerOf(mutant, first, seeds);
    if (outcome === undefined) alive++;
    print(
      `${mutant.name}: ${outcome === undefined ? `lives after ${seeds} seeds` : `killed by seed ${outcome.seed}`}`,
    );
    if (outcome !== undefined) print(`  ${outcome.violation!.message.split('\n')[0]}`);
  }
  print(`mutants killed: ${MUTANTS.length - alive} of ${MUTANTS.length}`);
  return alive;
}

const chosen = MUTANTS.find(({ name }) => name === values.mutant);
if (values.mutant !== undefined && chosen === undefined) {
  print(`no mutant "${values.mutant}"; there are:\n${MUTANTS.map(({ name }) => `  ${name}`).join('\n')}`);
  process.exitCode = 1;
} else if (values.mutants) process.exitCode = (await runMutants()) > 0 ? 1 : 0;
else {
  const violations = await runAll();
  process.exitCode = violations > 0 === (chosen === undefined) ? 1 : 0;
}
