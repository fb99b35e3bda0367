/** On a real Ceph RGW. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Ceph } from '../../../test/testing/ceph.ts';
import { storeContract } from '../contract.ts';
import { probeStore } from '../probe.ts';
import { isTransient, type ObjectStore } from '../store.ts';
import { openS3Store, type S3Options, type S3Store } from './s3-store.ts';

const ceph = await Ceph.start();
after(() => ceph.stop());

const { endpoint, accessKey, secretKey } = ceph;
const bucket = ceph.newBucket();
const options: S3Options = { endpoint, bucket, accessKey, secretKey, prefix: 'a', create: true };
let prefixes = 0;

async function newStore(more: Partial<S3Options> = {}): Promise<S3Store> {
  prefixes += 1;
  return openS3Store({ ...options, prefix: `prefix-${prefixes}/deep`, ...more });
}

storeContract('S3 on Ceph RGW', async () => ({ store: await newStore(), dispose: async () => {} }));

storeContract('S3 on Ceph RGW, a whole bucket', async () => ({
  store: await newStore({ prefix: '', bucket: ceph.newBucket() }),
  dispose: async () => {},
}));

describe('openS3Store() on Ceph RGW', () => {
  test('says that a bucket is missing, makes it when asked to, and takes one that is there', async () => {
    const bucket = ceph.newBucket();
    await assert.rejects(newStore({ bucket, create: false }), { code: 'object-missing', message: /bucket/ });
    for (const create of [true, true, false]) await newStore({ bucket, create });
  });

  test('tells refused keys from a missing bucket, without showing them', async () => {
    for (const wrong of [{ secretKey: 'not-the-secret' }, { accessKey: 'not-the-key' }]) {
      await assert.rejects(newStore(wrong), (error: Error & { code: string; advice: string }) => {
        assert.equal(error.code, 'io');
        assert.match(error.advice, /keys/);
        assert.doesNotMatch(`${error.message}${JSON.stringify(error)}`, /not-the|secret/);
        return true;
      });
    }
  });

  test('says that nothing listens there', async () => {
    await assert.rejects(newStore({ endpoint: 'http://127.0.0.1:1' }), {
      code: 'io',
      message: /ECONNREFUSED/,
    });
  });
});

describe('S3Store on Ceph RGW', () => {
  test('keeps what a repository rests on, by the probe, which leaves nothing behind', async () => {
    const store = await newStore();
    assert.deepEqual(await probeStore(store), {
      conditionalPut: true,
      readAfterWrite: true,
      listAfterWrite: true,
      rangedGet: true,
    });
    assert.deepEqual(await namesIn(store, ''), []);
  });

  test('sees only what is below its prefix', async () => {
    const store = await newStore({ prefix: 'shared/one' });
    const other = await newStore({ prefix: 'shared/one-more' });
    await store.putIfAbsent('config', [Buffer.from('one')]);
    await other.putIfAbsent('config', [Buffer.from('other')]);
    assert.deepEqual(await namesIn(store, ''), ['config']);
    await other.deleteDurably(['config']);
    assert.equal(Buffer.from(await store.get('config')).toString(), 'one');
  });

  test('lists more objects than one answer holds', async () => {
    const store = await newStore();
    const names = Array.from({ length: 1203 }, (_, i) => `index/${String(i).padStart(4, '0')}`);
    for (let at = 0; at < names.length; at += 100) {
      await Promise.all(names.slice(at, at + 100).map((name) => store.putIfAbsent(name, [])));
    }
    assert.deepEqual(await namesIn(store, 'index/'), names);
    await store.deleteDurably(names);
    assert.deepEqual(await namesIn(store, ''), []);
  });

  test('has one winner of sixteen puts that race through two gateways', async () => {
    const gateway = ceph.startGateway();
    try {
      const prefix = 'raced';
      const stores = await Promise.all([
        newStore({ prefix }),
        newStore({ prefix, endpoint: gateway.endpoint }),
      ]);
      for (let round = 0; round < 20; round += 1) {
        const name = `sessions/${round}.end`;
        const outcomes = await Promise.allSettled(
          Array.from({ length: 16 }, (_, i) => stores[i % 2]!.putIfAbsent(name, [Buffer.from(`racer ${i}`)])),
        );
        const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
        assert.equal(winners.length, 1);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'object-exists');
        }
        for (const store of stores) {
          assert.equal(Buffer.from(await store.get(name)).toString(), `racer ${winners[0]}`);
        }
      }
    } finally {
      gateway.kill();
    }
  });

  test('shows nothing by halves, and fails transiently, when its gateway is killed in mid-work', async () => {
    const gateway = ceph.startGateway();
    const prefix = 'killed';
    const store = await newStore({ prefix, endpoint: gateway.endpoint });
    const sound = await newStore({ prefix });
    const contents = (name: string) => Buffer.alloc(3_000_000, name);
    const done = new Set<string>();
    const write = async (lane: number) => {
      for (let i = 0; ; i += 1) {
        const name = `packs/${lane}/${i}`;
        await store.putIfAbsent(name, [contents(name)]);
        done.add(name);
        if (done.size === 12) gateway.kill();
      }
    };
    const outcomes = await Promise.allSettled([0, 1, 2, 3].map(write));
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected');
      assert.ok(isTransient((outcome as PromiseRejectedResult).reason), String(outcome));
    }
    const read = await store.get('packs/0/0').catch((error: unknown) => error);
    assert.ok(isTransient(read));
    const names = await namesIn(sound, '');
    for (const name of names) assert.ok(contents(name).equals(await sound.get(name)), name);
    for (const name of done) assert.ok(names.includes(name), name);
  });
});

async function namesIn(store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names.sort();
}
