import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_RULES, explore, type Rules, type World } from './testing/collection-model.ts';

const WORLD: World = {
  writers: 0,
  readers: 0,
  collectors: 1,
  twice: false,
  takesOver: false,
  forgets: true,
  copies: false,
  cleansSessions: false,
  cleansLists: false,
  losesPower: false,
};

/** Small worlds, each with the rules that matter in it. */
const WORLDS: Readonly<Record<string, { world: World; matter: readonly (keyof Rules)[] }>> = {
  'two writers and a collector': {
    world: { ...WORLD, writers: 2 },
    matter: ['heedsCondemned', 'opensFirst', 'listsPacks', 'fences', 'waits', 'publishesFirst', 'marksAgain'],
  },
  'a writer that slept until its session was cleaned away': {
    world: { ...WORLD, writers: 1, cleansSessions: true },
    matter: ['opensGoFirst'],
  },
  'writers that take over parts of their base': {
    world: { ...WORLD, writers: 2, takesOver: true },
    matter: ['checksBase', 'checksExistence'],
  },
  'a writer that takes over parts of its base, while two collectors each keep another copy': {
    world: { ...WORLD, writers: 1, collectors: 2, twice: true, takesOver: true },
    matter: ['pinsBase', 'ownLists'],
  },
  'readers and a collector': {
    world: { ...WORLD, readers: 2 },
    matter: ['heedsPins', 'readerChecks'],
  },
  'a reader, while two collectors each keep another copy': {
    world: { ...WORLD, readers: 1, collectors: 2, twice: true },
    matter: ['readsFateFirst'],
  },
  'two collectors that each keep another copy': {
    world: { ...WORLD, writers: 1, collectors: 2, forgets: false, twice: true },
    matter: ['readsOtherLists', 'readsListsLast', 'readsListsBeforePlaces'],
  },
  'two collectors that copy': {
    world: { ...WORLD, writers: 1, collectors: 2, forgets: false, copies: true },
    matter: [],
  },
  'two collectors of garbage': {
    world: { ...WORLD, writers: 1, collectors: 2 },
    matter: [],
  },
  'somebody who deletes the lists of runs that seem dead': {
    world: { ...WORLD, writers: 1, cleansLists: true },
    matter: ['listOutlivesPacks'],
  },
  'two collectors on a store that loses its power': {
    world: { ...WORLD, writers: 1, collectors: 2, cleansLists: true, losesPower: true },
    matter: ['durableDeletes'],
  },
};

for (const [name, { world, matter }] of Object.entries(WORLDS)) {
  test(`nothing is lost in any order of the steps of ${name}`, (context) => {
    const { states, violation } = explore(world);
    assert.deepEqual(violation, undefined);
    context.diagnostic(`${states} states`);
  });
  for (const rule of matter)
    test(`without the rule "${rule}" data is lost: ${name}`, (context) => {
      const { states, violation } = explore(world, { ...ALL_RULES, [rule]: false });
      assert.ok(violation, `${states} states and nothing lost`);
      context.diagnostic(`after ${states} states: ${violation.join(' > ')}`);
    });
}

test('each rule matters in one of the worlds', () => {
  const named = Object.values(WORLDS).flatMap(({ matter }) => matter);
  assert.deepEqual(named.sort(), Object.keys(ALL_RULES).sort());
});
