import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MUTANTS } from './mutants.ts';
import { killerOf, simulate } from './simulate.ts';

const SEEDS = 30;

/** Mutants that are soon found out; `npm run simulate` has the patience for all of them. */
const BOLD = [
  'no fsync',
  'no folder fsync',
  'fsync retried',
  'a put replaces what is there',
  'manifest before packs',
  'no second mark',
  'old pack condemned before the new place is published',
];
const SEEDS_TO_KILL = 60;

describe('the repository in simulated worlds', () => {
  test(`keeps its promises for the seeds 1 to ${SEEDS}`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation } = await simulate(seed);
      assert.equal(violation?.message, undefined, `seed ${seed}`);
    }
  });

  test('does the same again for the same seed', async () => {
    for (const seed of [1, 2, 3]) {
      const { steps, digest } = await simulate(seed);
      const again = await simulate(seed);
      assert.deepEqual([again.steps, again.digest], [steps, digest]);
    }
  });
});

describe('a mutant is found out', () => {
  for (const name of BOLD) {
    test(`that has ${name}`, async () => {
      const mutant = MUTANTS.find((each) => each.name === name);
      assert.ok(mutant);
      assert.ok(await killerOf(mutant, 1, SEEDS_TO_KILL), `nobody noticed in ${SEEDS_TO_KILL} worlds`);
    });
  }
});
