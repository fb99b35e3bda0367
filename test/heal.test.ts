import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { formatKeyFile } from '../src/crypto/mod.ts';
import { FrameKind } from '../src/format/mod.ts';
import { packName } from '../src/repository/mod.ts';
import { CommandLine } from './command-line.ts';
import {
  assertRestores,
  checkAll,
  errorsIn,
  imagesOf,
  KEY,
  openRepository,
  proseOf,
  type Tree,
  treeOf,
} from './testing/repository-fixture.ts';

const SMALL_FILES = 40;

interface Scene {
  readonly line: CommandLine;
  readonly access: readonly string[];
  readonly source: string;
  readonly repository: string;
}

/** Many small files, which share a chunk, and a long one. */
async function scene(context: TestContext): Promise<Scene> {
  const line = new CommandLine(context);
  const source = line.path('source');
  mkdirSync(source);
  for (let i = 0; i < SMALL_FILES; i++) writeFileSync(join(source, `small ${i}`), proseOf(i, 3000));
  writeFileSync(join(source, 'long'), Buffer.concat(Array.from({ length: 900 }, (_, i) => proseOf(i, 5000))));
  writeFileSync(line.path('key'), formatKeyFile(KEY.secret));
  const repository = line.path('repository');
  const access = ['-r', repository, '--key-file', line.path('key')];
  await line.ok([...access, 'init']);
  return { line, access, source, repository };
}

async function backUp({ line, access, source }: Scene): Promise<Record<string, unknown>> {
  const printed = await line.ok([...access, '--json', 'backup', source]);
  return JSON.parse(printed.trim().split('\n').at(-1)!) as Record<string, unknown>;
}

/** Flips a bit in the stored frame of each chunk that `choose` names by its plain length. How many were. */
async function damageChunks(
  { repository }: Scene,
  choose: (plainLength: number) => boolean,
): Promise<number> {
  const opened = await openRepository(repository);
  let damaged = 0;
  for (const { id, kind, pack, offset, length } of [...opened.index.all()]) {
    if (kind !== FrameKind.chunk) continue;
    const { plain } = await opened.frame(FrameKind.chunk, id);
    if (!choose(plain.length)) continue;
    const path = join(repository, packName(pack));
    const bytes = readFileSync(path);
    bytes[offset + length - 9]! ^= 4;
    writeFileSync(path, bytes);
    damaged++;
  }
  return damaged;
}

async function assertWhole({ repository, source, line }: Scene, trees: readonly Tree[]): Promise<void> {
  const opened = await openRepository(repository);
  const images = await imagesOf(opened);
  assert.equal(images.length, trees.length);
  for (const [i, image] of images.entries())
    await assertRestores(opened, image, source, trees[i]!, line.path(`restored ${i} ${Math.random()}`));
}

test('verify finds bits that flipped, the next backup stores the chunks anew, and every older image is whole again', async (context) => {
  const all = await scene(context);
  const { line, source } = all;
  await backUp(all);
  const trees = [treeOf(source)];
  writeFileSync(join(source, 'new'), 'another file');
  await backUp(all);
  trees.push(treeOf(source));
  const damaged = await damageChunks(all, (length) => length > 10_000);
  assert.ok(damaged >= 3, 'the shared chunk and those of the long file');
  assert.match(await line.fails(1, ['-r', all.repository, 'verify']), /damaged/);
  const summary = await backUp(all);
  trees.push(treeOf(source));
  assert.equal(summary.chunks_healed, damaged);
  assert.equal(summary.chunks_lost, undefined);
  await assertWhole(all, trees);
  // The damaged copies are still there; with them goes what was known of the damage.
  await line.ok(['-r', all.repository, 'prune', '--max-unused', '0']);
  await line.ok(['-r', all.repository, 'verify']);
  assert.deepEqual(errorsIn(await checkAll(await openRepository(all.repository))), []);
  await assertWhole(all, trees);
  assert.deepEqual(readdirSync(join(all.repository, 'damaged')), []);
  const after = await backUp(all);
  assert.equal(after.chunks_healed, undefined);
});

test('what of a shared chunk cannot be made again is lost to older images, is named, and the new image is whole', async (context) => {
  const all = await scene(context);
  const { line, source } = all;
  await backUp(all);
  const shared = Array.from({ length: SMALL_FILES }, (_, i) => statSync(join(source, `small ${i}`)).size);
  const bytes = shared.reduce((sum, size) => sum + size, 0);
  const damaged = await damageChunks(all, (length) => length === bytes);
  assert.equal(damaged, 1, 'the chunk of the small files');
  await line.fails(1, ['-r', all.repository, 'verify']);
  writeFileSync(join(source, 'small 7'), 'not what it was');
  const summary = await backUp(all);
  assert.equal(summary.chunks_healed, undefined);
  assert.equal(summary.chunks_lost, 1);
  const repository = await openRepository(all.repository);
  const [older, newer] = await imagesOf(repository);
  await assertRestores(repository, newer!, source, treeOf(source), line.path('restored'));
  const { findings } = await checkAll(repository);
  const touched = findings.flatMap(({ images }) => images);
  assert.deepEqual([...new Set(touched.map(({ id }) => id))], [older!.id.toString('hex')]);
  const paths = new Set(touched.flatMap(({ paths }) => paths));
  assert.deepEqual(paths.size, SMALL_FILES, 'every file of that chunk, and no other');
  for (let i = 0; i < SMALL_FILES; i++) assert.ok(paths.has(join(source, `small ${i}`)));
});

test('damaged nodes are made again by the next backup', async (context) => {
  const all = await scene(context);
  const { line, source } = all;
  for (let i = 0; i < 400; i++) writeFileSync(join(source, `many ${i}`), `number ${i}`);
  await backUp(all);
  const trees = [treeOf(source)];
  const repository = await openRepository(all.repository);
  for (const { kind, pack, offset, length } of [...repository.index.all()]) {
    if (kind !== FrameKind.indexNode) continue;
    const path = join(all.repository, packName(pack));
    const bytes = readFileSync(path);
    bytes[offset + length - 1]! ^= 1;
    writeFileSync(path, bytes);
  }
  await line.fails(1, ['-r', all.repository, 'verify']);
  await backUp(all);
  trees.push(treeOf(source));
  await assertWhole(all, trees);
});
