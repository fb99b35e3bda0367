import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MUTANTS } from './mutants.ts';
import { killerOf, simulate } from './simulate.ts';

const SEEDS = 60;
/** Every mutant is found out within so many. */
const MUTANT_SEEDS = 150;

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

describe('a mutant', () => {
  for (const mutant of MUTANTS) {
    test(`is found out: ${mutant.name}`, async () => {
      assert.ok(await killerOf(mutant, 1, MUTANT_SEEDS), `nobody noticed in ${MUTANT_SEEDS} worlds`);
    });
  }
});
