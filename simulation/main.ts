/**
 * `npm run simulate -- [--seeds N] [--seed FIRST] [--mutant NAME | --no-mutants] [--trace]`: runs the repository
 * in simulated worlds, tells what went wrong in them, and how many worlds it takes to find each mutant out.
 */
import { parseArgs } from 'node:util';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { killerOf, simulate } from './simulate.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    seeds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: true },
    trace: { type: 'boolean', default: false },
  },
});
const seeds = Number(values.seeds);
const first = Number(values.seed);

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The number of violations. */
async function runSeeds(mutant: Mutant | undefined): Promise<number> {
  const counts = new Map<string, number>();
  const begun = performance.now();
  let steps = 0;
  let violations = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await simulate(seed, mutant);
    steps += outcome.steps;
    for (const [kind, count] of outcome.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
    if (outcome.violation === undefined) continue;
    violations++;
    print(`seed ${seed}, step ${outcome.steps}: ${outcome.violation.message}`);
    if (values.trace) for (const line of outcome.violation.trace) print(`  ${line}`);
  }
  const seconds = (performance.now() - begun) / 1000;
  print(`seeds ${seeds} (${(seeds / seconds).toFixed(1)}/s), steps ${steps}, violations ${violations}`);
  for (const [kind, count] of [...counts].sort()) print(`  ${kind}: ${count}`);
  return violations;
}

/** The number of mutants that nobody found out. */
async function runMutants(): Promise<number> {
  let alive = 0;
  for (const mutant of MUTANTS) {
    const killer = await killerOf(mutant, first, seeds);
    if (killer === undefined) alive++;
    const [why] = killer?.violation?.message.split('\n') ?? [];
    print(
      `mutant "${mutant.name}": ${killer === undefined ? 'lives' : `killed by seed ${killer.seed}: ${why}`}`,
    );
  }
  print(`mutants killed: ${MUTANTS.length - alive} of ${MUTANTS.length}`);
  return alive;
}

if (values.mutant === undefined) {
  const violations = await runSeeds(undefined);
  const alive = values.mutants ? await runMutants() : 0;
  process.exitCode = violations + alive > 0 ? 1 : 0;
} else {
  const mutant = MUTANTS.find(({ name }) => name === values.mutant);
  if (mutant === undefined)
    print(`no mutant "${values.mutant}"; there are:\n${MUTANTS.map(({ name }) => `  ${name}`).join('\n')}`);
  process.exitCode = mutant === undefined || (await runSeeds(mutant)) === 0 ? 1 : 0;
}
