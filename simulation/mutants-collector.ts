import { digest } from '../src/crypto/mod.ts';
import { condemnedRecord, RUN_ID_BYTES } from '../src/format/mod.ts';
import type { ObjectStore } from '../src/store/mod.ts';
import { type Mutant, viewFor } from './mutant.ts';
import { HeldBack, keepingToItself, listed, type Memory, missing, remembering, viewOf } from './views.ts';

const SHARED_LIST = `condemned/${'0'.repeat(2 * RUN_ID_BYTES)}`;

function isList(name: string): boolean {
  return name.startsWith('condemned/');
}

/** Tells of the list that the collector put. */
function knowingOwnList(store: ObjectStore, put: (name: string) => void): ObjectStore {
  return viewOf(store, {
    async putIfAbsent(name, parts) {
      await store.putIfAbsent(name, parts);
      if (isList(name)) put(name);
    },
  });
}

/** Collectors that break one rule each of docs/decisions/0024-collection.md. */
export const COLLECTOR_MUTANTS: readonly Mutant[] = [
  {
    name: 'no session wait',
    // A session without its `.open` is nothing to wait for.
    view: viewFor('collector', (store) =>
      viewOf(store, {
        async size(name) {
          if (name.endsWith('.open')) throw missing(name);
          return store.size(name);
        },
      }),
    ),
  },
  {
    name: 'grace time without fencing',
    rates: { suspension: 3e-3 },
    profile: 'churn',
    view: viewFor('collector', (store) => keepingToItself(store, /\.end$/)),
  },
  {
    name: 'sessions listed before the condemned are published',
    profile: 'churn',
    view: viewFor('collector', (store, { dawdle }) => {
      const held = new HeldBack(store, /^condemned\//);
      return viewOf(held.store, {
        async *list(prefix) {
          if (prefix !== 'sessions/') return yield* held.store.list(prefix);
          const sessions = await listed(store, prefix);
          if (held.isHolding) await dawdle();
          await held.release();
          yield* sessions;
        },
      });
    }),
  },
  {
    name: 'no second mark',
    view: viewFor('collector', (store) => {
      let memory: Memory = 'record';
      let isListed = false;
      const seen = remembering(store, /^(sessions|retention)\//, () => memory);
      return viewOf(
        knowingOwnList(seen, () => {
          memory = 'pass';
          isListed = false;
        }),
        {
          async *list(prefix) {
            // The first listing after the list is there is of those who are waited for.
            if (prefix === 'retention/' && memory === 'pass' && isListed) memory = 'replay';
            yield* seen.list(prefix);
            if (prefix === 'sessions/') isListed = true;
          },
        },
      );
    }),
  },
  {
    name: 'two collectors share a marker',
    view: viewFor('collector', (store) => {
      let own = '';
      const real = (name: string) => (name === own ? SHARED_LIST : name);
      return viewOf(store, {
        async putIfAbsent(name, parts) {
          if (!isList(name)) return store.putIfAbsent(name, parts);
          own = name;
          const record = condemnedRecord.decode(Buffer.concat(parts), digest);
          const run = Buffer.alloc(RUN_ID_BYTES);
          await store.replace(SHARED_LIST, [condemnedRecord.encode({ ...record, run }, digest)]);
        },
        get: (name, options) => store.get(real(name), options),
        async *list(prefix) {
          for await (const object of store.list(prefix))
            yield object.name === SHARED_LIST && own !== '' ? { ...object, name: own } : object;
        },
        delete: (name) => store.delete(real(name)),
      });
    }),
  },
  {
    name: 'old pack condemned before the new place is published',
    profile: 'churn',
    view: viewFor('collector', (store, { dawdle }) => {
      const held = new HeldBack(store, /^(packs|index)\//);
      return viewOf(held.store, {
        async deleteDurably(names) {
          await store.deleteDurably(names);
          if (!held.isHolding || !names.some((name) => name.startsWith('packs/'))) return;
          await dawdle();
          await held.release();
        },
      });
    }),
  },
  {
    name: "collectors ignore each other's lists",
    profile: 'collecting',
    view: viewFor('collector', (store, { dawdle }) => {
      const own = new Set<string>();
      return viewOf(
        knowingOwnList(store, (name) => own.add(name)),
        {
          async deleteDurably(names) {
            if (own.size > 0) await dawdle();
            await store.deleteDurably(names);
          },
          async *list(prefix) {
            for await (const object of store.list(prefix))
              if (!isList(object.name) || own.has(object.name)) yield object;
          },
        },
      );
    }),
  },
  {
    name: 'list dropped before its packs are gone',
    profile: 'churn',
    view: viewFor('collector', (store, { dawdle }) => {
      let own: string | undefined;
      return viewOf(
        knowingOwnList(store, (name) => {
          own = name;
        }),
        {
          async deleteDurably(names) {
            if (own !== undefined && names.some((name) => name.startsWith('packs/'))) {
              await store.delete(own);
              await dawdle();
            }
            await store.deleteDurably(names);
          },
        },
      );
    }),
  },
  {
    name: 'a session goes before its .open does',
    rates: { suspension: 1e-2 },
    profile: 'collecting',
    view: viewFor('collector', (store) =>
      viewOf(store, {
        deleteDurably: (names) => store.deleteDurably(names.filter((name) => !name.endsWith('.open'))),
      }),
    ),
  },
  {
    name: 'what was forgotten is deleted before that is durable',
    rates: { powerCut: 1e-3, kill: 0 },
    profile: 'churn',
    calls: (calls, { role, dawdle }) => ({
      ...calls,
      async syncFolder(path) {
        if (role === 'keeper' && path.endsWith('/retention')) await dawdle();
        await calls.syncFolder(path);
      },
    }),
    view: viewFor('collector', (store) =>
      viewOf(store, {
        async putIfAbsent(name, parts) {
          if (!name.startsWith('retention/')) await store.putIfAbsent(name, parts);
        },
      }),
    ),
  },
];
