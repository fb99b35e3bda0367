import type { FaultRates } from './faults.ts';
import { type Mutant, viewFor } from './mutant.ts';
import { COLLECTOR_MUTANTS } from './mutants-collector.ts';
import { forgettingNothing, HeldBack, hiding, keepingToItself, remembering, viewOf } from './views.ts';

const POWER: Partial<FaultRates> = { powerCut: 2e-3, kill: 0 };

const diskMutants: readonly Mutant[] = [
  { name: 'no fsync', rates: POWER, calls: (calls) => ({ ...calls, sync: async () => {} }) },
  { name: 'no folder fsync', rates: POWER, calls: (calls) => ({ ...calls, syncFolder: async () => {} }) },
  {
    name: 'fsync retried',
    rates: { ...POWER, syncFails: 0.05 },
    calls: (calls) => ({
      ...calls,
      sync: (handle, path) => calls.sync(handle, path).catch(() => calls.sync(handle, path)),
      syncFolder: (path) => calls.syncFolder(path).catch(() => calls.syncFolder(path)),
    }),
  },
  {
    name: 'a put replaces what is there',
    calls: (calls) => ({ ...calls, link: (from, to) => calls.rename(from, to) }),
  },
  {
    name: 'deletes not durable',
    rates: { ...POWER, powerCut: 3e-4 },
    profile: 'forgetting',
    view: viewFor('collector', (store) =>
      viewOf(store, {
        async deleteDurably(names) {
          for (const name of names) await store.delete(name);
        },
      }),
    ),
  },
];

const writerMutants: readonly Mutant[] = [
  {
    name: 'manifest before packs',
    rates: { kill: 2e-3 },
    view: viewFor('writer', (store) => {
      const held = new HeldBack(store, /^(packs|index)\//);
      return viewOf(held.store, {
        async putIfAbsent(name, parts) {
          await held.store.putIfAbsent(name, parts);
          if (name.endsWith('.end')) await held.release();
        },
      });
    }),
  },
  {
    name: 'writers ignore the condemned',
    rates: { suspension: 5e-3 },
    profile: 'churn',
    view: viewFor('writer', (store) => hiding(store, /^condemned\//)),
  },
  {
    name: 'writers read the condemned before they open',
    profile: 'churn',
    view: viewFor('writer', (store, { dawdle }) => {
      const held = new HeldBack(store, /^sessions\/.*\.open$/);
      return viewOf(held.store, {
        async *list(prefix) {
          yield* held.store.list(prefix);
          if (prefix !== 'packs/' || !held.isHolding) return;
          await dawdle();
          await held.release();
        },
      });
    }),
  },
  {
    name: 'stale index without generation',
    profile: 'churn',
    view: viewFor('writer', (store) => forgettingNothing(store, 'packs/')),
  },
  {
    name: 'existence taken from a cache',
    profile: 'churn',
    view: viewFor('writer', (store) => {
      let isOpen = false;
      const seen = remembering(store, /^(sessions|retention)\//, () => (isOpen ? 'replay' : 'record'));
      return viewOf(seen, {
        async putIfAbsent(name, parts) {
          await store.putIfAbsent(name, parts);
          if (name.endsWith('.open')) isOpen = true;
          if (name.endsWith('.end')) isOpen = false;
        },
      });
    }),
  },
  {
    name: 'end record not put-if-absent',
    view: (store) =>
      viewOf(store, {
        putIfAbsent: (name, parts) =>
          name.endsWith('.end') ? store.replace(name, parts) : store.putIfAbsent(name, parts),
      }),
  },
];

const readerMutants: readonly Mutant[] = [
  {
    name: 'reader not pinned',
    profile: 'reading',
    view: viewFor('reader', (store) => keepingToItself(store, /\.read$/)),
  },
  {
    name: 'readers check before they pin',
    profile: 'reading',
    view: viewFor('reader', (store, { dawdle }) => {
      const held = new HeldBack(store, /\.read$/);
      return viewOf(held.store, {
        async get(name, options) {
          if (held.isHolding && name.startsWith('packs/')) {
            await dawdle();
            await held.release();
          }
          return held.store.get(name, options);
        },
      });
    }),
  },
];

/** All that a simulation is to find. */
export const MUTANTS: readonly Mutant[] = [
  ...diskMutants,
  ...writerMutants,
  ...readerMutants,
  ...COLLECTOR_MUTANTS,
];
