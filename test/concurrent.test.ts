import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hexOf } from '../src/base/mod.ts';
import { formatKeyFile } from '../src/crypto/mod.ts';
import { CommandLine } from './command-line.ts';
import {
  assertRestores,
  checkAll,
  errorsIn,
  imagesOf,
  KEY,
  openRepository,
  proseOf,
  treeOf,
} from './testing/repository-fixture.ts';

const ROUNDS = 3;

test('two backups of one dataset at once both succeed, and their chain has no gap', async (context) => {
  const { line, access, source } = await scene(context);
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(join(source, `round ${round}`), proseOf(round, 5000));
    await Promise.all([line.ok([...access, 'backup', source]), line.ok([...access, 'backup', source])]);
  }
  const repository = await openRepository(line.path('repository'));
  assert.deepEqual(errorsIn(await checkAll(repository)), []);
  const images = (await imagesOf(repository)).sort((a, b) => a.header.sequence - b.header.sequence);
  assert.deepEqual(
    images.map(({ header }) => header.sequence),
    Array.from({ length: 2 * ROUNDS }, (_, i) => i + 1),
  );
  for (const [i, { header }] of images.entries())
    assert.equal(hexOf(header.previous), i === 0 ? '0'.repeat(64) : hexOf(images[i - 1]!.id));
  for (const [i, image] of images.slice(-2).entries())
    await assertRestores(repository, image, source, treeOf(source), line.path(`restored ${i}`));
  context.diagnostic(`${images.length} backups, two at once, in one chain`);
});

test('two backups of different datasets at once both succeed', async (context) => {
  const { line, access, source } = await scene(context);
  const other = line.path('other');
  mkdirSync(other);
  for (let i = 0; i < 5; i++) writeFileSync(join(other, `${i}`), proseOf(50 + i, 4000));
  await Promise.all([source, other].map((path) => line.ok([...access, 'backup', path])));
  const repository = await openRepository(line.path('repository'));
  assert.deepEqual(errorsIn(await checkAll(repository)), []);
  const images = await imagesOf(repository);
  assert.deepEqual(
    images.map(({ header }) => header.sequence),
    [1, 1],
  );
  for (const path of [source, other]) {
    const image = images.find(({ body }) => body.paths[0] === path)!;
    await assertRestores(
      repository,
      image,
      path,
      treeOf(path),
      line.path(`restored of${path.replaceAll('/', '-')}`),
    );
  }
});

test('of two that make a repository at once one wins, and the other says so', async (context) => {
  const line = new CommandLine(context);
  const keys = [KEY.secret, Buffer.alloc(32, 8)].map((secret, i) => {
    writeFileSync(line.path(`key ${i}`), formatKeyFile(secret));
    return line.path(`key ${i}`);
  });
  for (let round = 0; round < ROUNDS; round++) {
    const place = line.path(`repository ${round}`);
    const runs = await Promise.all(keys.map((key) => line.run(['-r', place, '--key-file', key, 'init'])));
    const codes = runs.map(({ code }) => code);
    assert.deepEqual(codes.toSorted(), [0, 1], runs.map(({ stderr }) => stderr).join());
    const winner = codes.indexOf(0);
    assert.match(runs[1 - winner]!.stderr, /there is one\n {2}Use it/);
    const open = (i: number) => line.run(['-r', place, '--key-file', keys[i]!, 'check']);
    const opened = await Promise.all([open(winner), open(1 - winner)]);
    assert.deepEqual(
      opened.map(({ code }) => code),
      [0, 12],
      opened.map(({ stderr }) => stderr).join(),
    );
  }
});

async function scene(context: TestContext) {
  const line = new CommandLine(context);
  const source = line.path('source');
  mkdirSync(source);
  for (let i = 0; i < 20; i++) writeFileSync(join(source, `${i}`), proseOf(i, 3000));
  writeFileSync(line.path('key'), formatKeyFile(KEY.secret));
  const access = ['-r', line.path('repository'), '--key-file', line.path('key')];
  await line.ok([...access, 'init']);
  return { line, access, source };
}
