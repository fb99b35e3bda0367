import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { byteLengthOf, type ListedObject, type ObjectStore } from './store.ts';

export interface StoreUnderTest {
  /** Empty. */
  readonly store: ObjectStore;
  readonly dispose: () => Promise<void>;
}

/** Registers the tests that every `ObjectStore` and every wrapper must pass; each makes a store of its own. */
export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  const promise = (sentence: string, body: (store: ObjectStore) => Promise<void>) => {
    test(sentence, async () => {
      const { store, dispose } = await make();
      try {
        await body(store);
        await store.close();
      } finally {
        await dispose();
      }
    });
  };

  describe(`the store contract, ${name}`, () => {
    promise('a put object comes back whole', async (store) => {
      await store.putIfAbsent('packs/3f/3f2a', parts('one ', '', 'two'));
      assert.equal(textOf(await store.get('packs/3f/3f2a')), 'one two');
      assert.equal(await store.size('packs/3f/3f2a'), 7);
    });

    promise('an object may be empty, from no parts or from empty ones', async (store) => {
      await store.putIfAbsent('none', []);
      await store.putIfAbsent('empty', parts('', ''));
      for (const empty of ['none', 'empty']) {
        assert.equal((await store.get(empty)).length, 0);
        assert.equal((await store.get(empty, { range: { offset: 0, length: 0 } })).length, 0);
        assert.equal(await store.size(empty), 0);
      }
      assert.deepEqual(sorted(await listed(store, '')), [
        { name: 'empty', size: 0 },
        { name: 'none', size: 0 },
      ]);
    });

    promise('33 MiB in 100 uneven parts come back whole and by range', async (store) => {
      const big = Array.from({ length: 100 }, (_, i) => Buffer.alloc(346_000 + 31 * i, `part ${i};`));
      await store.putIfAbsent('packs/00/big', big);
      const whole = Buffer.concat(big);
      assert.ok(whole.equals(await store.get('packs/00/big')));
      const range = { offset: 20_000_001, length: 5_000_003 };
      const wanted = whole.subarray(range.offset, range.offset + range.length);
      assert.ok(wanted.equals(await store.get('packs/00/big', { range })));
      assert.equal(await store.size('packs/00/big'), byteLengthOf(big));
    });

    promise('what the caller does to its bytes after a put or a get changes nothing', async (store) => {
      const given = Buffer.from('mine');
      await store.putIfAbsent('a', [given]);
      given.fill(0);
      (await store.get('a')).fill(0);
      assert.equal(textOf(await store.get('a')), 'mine');
    });

    promise('a range gives exactly its bytes, and one past the end is damage', async (store) => {
      await store.putIfAbsent('a', parts('0123456789'));
      const read = async (offset: number, length: number) =>
        textOf(await store.get('a', { range: { offset, length } }));
      assert.equal(await read(0, 10), '0123456789');
      assert.equal(await read(3, 4), '3456');
      assert.equal(await read(10, 0), '');
      await assert.rejects(read(3, 8), { code: 'damaged' });
      await assert.rejects(read(11, 0), { code: 'damaged' });
      await assert.rejects(read(-1, 2));
      await assert.rejects(read(0.5, 2));
    });

    promise('a limit refuses what is longer, whole object or range', async (store) => {
      await store.putIfAbsent('a', parts('0123456789'));
      assert.equal((await store.get('a', { limit: 10 })).length, 10);
      await assert.rejects(store.get('a', { limit: 9 }), { code: 'limit' });
      assert.equal((await store.get('a', { limit: 2, range: { offset: 8, length: 2 } })).length, 2);
      await assert.rejects(store.get('a', { limit: 2, range: { offset: 0, length: 3 } }), { code: 'limit' });
    });

    promise('memory that a get is lent, long enough or not, changes nothing of its answer', async (store) => {
      await store.putIfAbsent('a', parts('0123456789'));
      for (const length of [0, 3, 9, 10, 50]) {
        const memory = Buffer.alloc(length, 'x');
        assert.equal(textOf(await store.get('a', { memory })), '0123456789');
        assert.equal(textOf(await store.get('a', { memory, range: { offset: 2, length: 3 } })), '234');
      }
    });

    promise('an object that does not exist is missing, in a folder that exists or not', async (store) => {
      await store.putIfAbsent('packs/00/there', parts('x'));
      for (const missing of ['packs/00/not', 'packs/01/not', 'keys/not', 'not']) {
        await assert.rejects(store.get(missing), { code: 'object-missing' });
        await assert.rejects(store.size(missing), { code: 'object-missing' });
      }
    });

    promise('a second put of a name is refused and changes nothing', async (store) => {
      await store.putIfAbsent('manifests/d/1', parts('first'));
      await assert.rejects(store.putIfAbsent('manifests/d/1', parts('second')), { code: 'object-exists' });
      assert.equal(textOf(await store.get('manifests/d/1')), 'first');
    });

    promise('of sixteen racing puts exactly one wins, and its bytes stay', async (store) => {
      for (let round = 0; round < 5; round += 1) {
        const name = `sessions/${round}.end`;
        const racers = Array.from({ length: 16 }, (_, i) => store.putIfAbsent(name, parts(`racer ${i}`)));
        const outcomes = await Promise.allSettled(racers);
        const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
        assert.equal(winners.length, 1);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'object-exists');
        }
        assert.equal(textOf(await store.get(name)), `racer ${winners[0]}`);
      }
    });

    promise('many puts at once all arrive', async (store) => {
      const names = Array.from({ length: 64 }, (_, i) => `packs/${(i % 8).toString().padStart(2, '0')}/${i}`);
      await Promise.all(names.map((name) => store.putIfAbsent(name, parts(name))));
      for (const name of names) assert.equal(textOf(await store.get(name)), name);
      assert.equal((await listed(store, 'packs/')).length, names.length);
    });

    promise('a listing gives the objects whose names begin with the prefix', async (store) => {
      const names = ['config', 'keys/a', 'packs/3f/1', 'packs/3f/2', 'packs/40/1', 'packs-old/1'];
      for (const name of names) await store.putIfAbsent(name, parts(name));
      const matching = async (prefix: string) => sorted(await listed(store, prefix)).map(({ name }) => name);
      assert.deepEqual(await matching(''), [...names].sort());
      for (const prefix of ['packs/', 'packs', 'packs/3', 'packs/3f/', 'packs/3f/1', 'p', 'config', 'k']) {
        assert.deepEqual(
          await matching(prefix),
          names.filter((name) => name.startsWith(prefix)).sort(),
          prefix,
        );
      }
      assert.deepEqual(await matching('index/'), []);
      assert.deepEqual(await matching('packs/5'), []);
      for (const { name, size } of await listed(store, '')) assert.equal(size, name.length);
      const named: string[] = [];
      for await (const { name } of store.list('packs/', { sizes: false })) named.push(name);
      assert.deepEqual(named.sort(), ['packs/3f/1', 'packs/3f/2', 'packs/40/1']);
    });

    promise('a listing of many objects gives each once and can be left early', async (store) => {
      const names = Array.from({ length: 150 }, (_, i) => `index/${i}`);
      await Promise.all(names.map((name) => store.putIfAbsent(name, parts('x'))));
      assert.deepEqual(
        sorted(await listed(store, 'index/')).map(({ name }) => name),
        names.sort(),
      );
      for await (const { name } of store.list('')) {
        assert.ok(names.includes(name));
        break;
      }
    });

    promise('a deleted object is missing, and its name can be put again', async (store) => {
      await store.putIfAbsent('locks/a', parts('old'));
      await store.delete('locks/a');
      await store.delete('locks/a');
      await store.delete('never/there');
      await assert.rejects(store.get('locks/a'), { code: 'object-missing' });
      assert.deepEqual(await listed(store, ''), []);
      await store.putIfAbsent('locks/a', parts('new'));
      assert.equal(textOf(await store.get('locks/a')), 'new');
    });

    promise('objects deleted durably are missing, whether all, some or none were there', async (store) => {
      const names = Array.from({ length: 40 }, (_, i) => `packs/0${i % 4}/${i}`);
      await Promise.all(names.map((name) => store.putIfAbsent(name, parts('x'))));
      await store.delete(names[5]!);
      await store.deleteDurably([...names.slice(0, 30), 'never/there', 'packs/00/neither']);
      assert.deepEqual(
        sorted(await listed(store, '')).map(({ name }) => name),
        names.slice(30).sort(),
      );
      await store.deleteDurably(names);
      await store.deleteDurably(names);
      await store.deleteDurably([]);
      for (const name of names) await assert.rejects(store.get(name), { code: 'object-missing' });
      assert.deepEqual(await listed(store, ''), []);
      await store.putIfAbsent(names[0]!, parts('new'));
      assert.equal(textOf(await store.get(names[0]!)), 'new');
    });

    promise('a replaced object is seen old or new, whole, by readers at any moment', async (store) => {
      const contents = (beat: number) => Buffer.alloc(70_000, `${beat};`);
      const whole = new Set(Array.from({ length: 31 }, (_, beat) => contents(beat).toString('latin1')));
      await store.replace('sessions/a.beat', [contents(0)]);
      let replacing = true;
      const reader = async () => {
        while (replacing) assert.ok(whole.has(textOf(await store.get('sessions/a.beat'))));
      };
      const readers = [reader(), reader()];
      for (let beat = 1; beat <= 30; beat += 1) {
        await store.replace('sessions/a.beat', [
          contents(beat).subarray(0, 999),
          contents(beat).subarray(999),
        ]);
      }
      replacing = false;
      await Promise.all(readers);
      assert.ok(contents(30).equals(await store.get('sessions/a.beat')));
      assert.deepEqual(await listed(store, 'sessions/'), [{ name: 'sessions/a.beat', size: 70_000 }]);
    });

    promise('names that are no object names are refused by every call', async (store) => {
      const refused = ['', '/', '/a', 'a/', 'a//b', '.', '..', '../a', 'a/../b', 'a/..', './a', '.hidden'];
      refused.push(
        'A',
        'ä',
        'a b',
        'a\0',
        'a\n',
        'a\\b',
        'a*',
        'a/-b',
        'a..b',
        'tmp',
        'tmp/a',
        'a'.repeat(201),
      );
      for (const name of refused) {
        await assert.rejects(store.putIfAbsent(name, parts('x')), /not a valid name/, name);
        await assert.rejects(store.replace(name, parts('x')), /not a valid name/, name);
        await assert.rejects(store.get(name), /not a valid name/, name);
        await assert.rejects(store.size(name), /not a valid name/, name);
        await assert.rejects(store.delete(name), /not a valid name/, name);
        await assert.rejects(store.deleteDurably(['fine', name]), /not a valid name/, name);
      }
      for (const prefix of ['/', '..', '../', 'a/../', 'A', 'a//', 'tmp/']) {
        await assert.rejects(listed(store, prefix), /no valid name begins/, prefix);
      }
      const longest = `${'a'.repeat(99)}/${'b'.repeat(100)}`;
      await store.putIfAbsent(longest, parts('x'));
      assert.deepEqual(await listed(store, ''), [{ name: longest, size: 1 }]);
    });
  });
}

function parts(...texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => Buffer.from(text, 'latin1'));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

async function listed(store: ObjectStore, prefix: string): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of store.list(prefix)) objects.push(object);
  return objects;
}

function sorted(objects: readonly ListedObject[]): ListedObject[] {
  return objects.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
