/** The command line on a real Ceph RGW. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digest } from '../src/crypto/mod.ts';
import { storeRecord } from '../src/format/mod.ts';
import { STORE } from '../src/repository/mod.ts';
import type { ObjectStore } from '../src/store/mod.ts';
import { openS3Store } from '../src/store/s3/mod.ts';
import { CommandLine } from './command-line.ts';
import { Ceph } from './testing/ceph.ts';

const ceph = await Ceph.start();
after(() => ceph.stop());

const PASSWORD = { EVERFULL_PASSWORD: 'correct horse' };

/** A tree of small files, and one of several chunks, and a command line in the folder that it is in. */
function lineWithTree(context: TestContext, { largeMiB = 6 } = {}): CommandLine {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree/below'), { recursive: true });
  for (let i = 0; i < 200; i += 1) writeFileSync(line.path(`tree/below/${i}`), `file ${i} `.repeat(i * 10));
  writeFileSync(line.path('tree/large'), randomBytes(largeMiB * 1024 * 1024));
  return line;
}

async function hasAny(store: ObjectStore, prefix: string): Promise<boolean> {
  for await (const _ of store.list(prefix)) return true;
  return false;
}

async function assertSame(line: CommandLine, one: string, other: string): Promise<void> {
  const { code, stdout } = await line.spawn(['diff', '-r', one, other]);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: '' });
}

test('a repository on S3 is made, written, read, checked and restored from', async (context) => {
  // More than one pack.
  const line = lineWithTree(context, { largeMiB: 40 });
  const location = ceph.newLocation();
  const env = { ...PASSWORD, ...ceph.environment, EVERFULL_REPOSITORY: location };
  assert.match(await line.fails(10, ['images'], { env }), /there is none/);
  assert.ok((await line.ok(['init'], { env })).includes(location));
  assert.match(await line.fails(1, ['init'], { env }), /there is one/);

  await line.ok(['backup', 'tree'], { env });
  await line.ok(['restore', 'latest', '--target', 'first'], { env });
  await assertSame(line, 'tree', `first${line.path('tree')}`);

  writeFileSync(line.path('tree/below/new'), 'new\n');
  await line.ok(['--limit-upload', '1000000', '--limit-download', '1000000', 'backup', 'tree'], { env });
  await line.ok(['check', '--read-data'], { env });
  assert.match(await line.ok(['images'], { env }), /2 images/);
  // Another machine, which has no caches.
  await line.ok(['--no-cache', 'restore', 'latest', '--target', 'second'], { env });
  await assertSame(line, 'tree', `second${line.path('tree')}`);
  assert.equal(await line.ok(['dump', `latest:${line.path('tree/below/new')}`], { env }), 'new\n');
});

test('init on S3 writes down what it saw of the store', async (context) => {
  const line = new CommandLine(context);
  const bucket = ceph.newBucket();
  const { endpoint, accessKey, secretKey } = ceph;
  const env = { ...PASSWORD, ...ceph.environment };
  await line.ok(['-r', `s3:${endpoint}/${bucket}`, 'init'], { env });
  const store = await openS3Store({ endpoint, bucket, prefix: '', accessKey, secretKey });
  const { probed, engine, ...seen } = storeRecord.decode(await store.get(STORE), digest);
  assert.deepEqual(seen, { conditionalPut: 1, readAfterWrite: 1, listAfterWrite: 1, rangedGet: 1 });
  assert.ok(probed > 0);
  assert.equal(typeof engine, 'string');
  for await (const { name } of store.list('probe/')) assert.fail(`${name} was left behind`);
  await store.close();
});

test('two backups to S3 at once, through two gateways, both make an image', async (context) => {
  const line = lineWithTree(context);
  const gateway = ceph.startGateway();
  const location = ceph.newLocation();
  const env = { ...PASSWORD, ...ceph.environment };
  await line.ok(['-r', location, 'init'], { env });
  const other = location.replace(ceph.endpoint, gateway.endpoint);
  const runs = await Promise.all(
    [location, other].map((place) => line.run(['-r', place, 'backup', 'tree'], { env })),
  );
  gateway.kill();
  assert.deepEqual(
    runs.map(({ code }) => code),
    [0, 0],
    runs.map(({ stderr }) => stderr).join(),
  );
  assert.match(await line.ok(['-r', location, 'images'], { env }), /2 images/);
  await line.ok(['-r', location, 'check', '--read-data'], { env });
});

test('a backup whose gateway is killed fails with a reason, and the next one goes on', async (context) => {
  const line = lineWithTree(context);
  const gateway = ceph.startGateway();
  const bucket = ceph.newBucket();
  const { endpoint, accessKey, secretKey } = ceph;
  const env = { ...PASSWORD, ...ceph.environment };
  const location = `s3:${endpoint}/${bucket}`;
  await line.ok(['-r', location, 'init'], { env });
  const store = await openS3Store({ endpoint, bucket, prefix: '', accessKey, secretKey });
  const killOnceItWrites = async () => {
    while (!(await hasAny(store, 'sessions/'))) await sleep(20);
    gateway.kill();
  };
  let killed: Promise<void> | undefined;
  // So slow that it is still at its first pack then.
  const words = ['-r', `s3:${gateway.endpoint}/${bucket}`, '--limit-upload', '2000', 'backup', 'tree'];
  const failed = await line.run(words, {
    env,
    meanwhile: () => {
      killed = killOnceItWrites();
    },
  });
  await killed;
  await store.close();
  assert.equal(failed.code, 1, failed.stderr);
  assert.match(failed.stderr, /ECONNREFUSED|ECONNRESET|EPIPE/);
  assert.ok(!failed.stderr.includes(secretKey));
  await line.ok(['-r', location, 'backup', 'tree'], { env });
  await line.ok(['-r', location, 'check', '--read-data'], { env });
  assert.match(await line.ok(['-r', location, 'images'], { env }), /1 image\b/);
});

test('wrong or missing keys, and keys in the address, are refused without being shown', async (context) => {
  const line = new CommandLine(context);
  const location = ceph.newLocation();
  const missing = await line.fails(1, ['-r', location, 'images'], { env: PASSWORD });
  assert.match(missing, /AWS_ACCESS_KEY_ID is not set/);
  const wrong = { ...PASSWORD, ...ceph.environment, AWS_SECRET_ACCESS_KEY: 'wrong-secret' };
  const refused = await line.fails(1, ['-r', location, 'images'], { env: wrong });
  assert.match(refused, /403/);
  assert.doesNotMatch(refused, /wrong-secret/);
  const inAddress = location.replace('http://', 'http://THE-ID:THE-SECRET@');
  for (const json of [[], ['--json']]) {
    const told = await line.fails(1, ['-r', inAddress, ...json, 'images'], { env: PASSWORD });
    assert.match(told, /has keys in it/);
    assert.doesNotMatch(told, /THE-/);
  }
});
