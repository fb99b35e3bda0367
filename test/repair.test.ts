import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { byteStringFromText } from '../src/base/mod.ts';
import { SlotKind } from '../src/crypto/mod.ts';
import { decodeEntry, pathKeyOf } from '../src/format/mod.ts';
import { lookUp } from '../src/image/mod.ts';
import { packName, Repository } from '../src/repository/mod.ts';
import { openFolderStore } from '../src/store/mod.ts';
import { CommandLine } from './command-line.ts';
import { proseOf } from './testing/repository-fixture.ts';

const PASSWORD = 'secret';
const env = { EVERFULL_PASSWORD: PASSWORD };
/** Longer than what small files share a chunk with. */
const LONG_BYTES = 3_000_000;

interface Place {
  readonly line: CommandLine;
  readonly repository: string;
  run(...words: string[]): Promise<string>;
}

async function placeOf(context: TestContext): Promise<Place> {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree'));
  writeFileSync(line.path('tree/long'), proseOf(1, LONG_BYTES));
  writeFileSync(line.path('tree/other'), proseOf(2, LONG_BYTES));
  for (let i = 0; i < 5; i++) writeFileSync(line.path('tree', `small ${i}`), `small ${i}`);
  const repository = line.path('repository');
  const run = (...words: string[]) => line.ok(['-r', repository, ...words], { env });
  await run('init', '-q');
  await run('backup', '-q', 'tree');
  return { line, repository, run };
}

function jsonOf(stdout: string) {
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

function objectsOf({ repository }: Place): string[] {
  return readdirSync(repository, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(repository.length + 1))
    .sort();
}

/** Flips a byte in the first chunk of a file. */
async function damage({ line, repository }: Place, file: string): Promise<void> {
  const store = await openFolderStore(byteStringFromText(repository));
  const opened = await Repository.open(store, [{ kind: SlotKind.passphrase, secret: Buffer.from(PASSWORD) }]);
  const [image] = await opened.images(({ error }) => {
    throw error;
  });
  const { indexRoot: root, indexLevel: level, indexItems: items, indexLength: length } = image!.header;
  const item = await lookUp(
    async (kind, id) => (await opened.frame(kind, id)).plain,
    { root, level, items, length },
    pathKeyOf(byteStringFromText(line.path('tree', file))),
  );
  const { content } = decodeEntry(item!.value);
  assert.ok(content !== undefined && 'pieces' in content);
  const place = opened.index.find(content.pieces[0]!.chunk!)!;
  const path = join(repository, packName(place.pack));
  const bytes = readFileSync(path);
  bytes[place.offset + (place.length >> 1)]! ^= 1;
  writeFileSync(path, bytes);
  await opened.close();
}

/** Fails unless a restore gives the tree, but for the files in `lost`, which are not there. */
async function assertRestores({ line, run }: Place, image: string, lost: readonly string[]): Promise<string> {
  const target = line.path(`restored ${image}`);
  await run('restore', '-q', image, '--target', target, '--verify');
  const restored = join(target, line.path('tree'));
  for (const name of readdirSync(line.path('tree')))
    if (lost.includes(name)) assert.ok(!existsSync(join(restored, name)));
    else assert.deepEqual(readFileSync(join(restored, name)), readFileSync(line.path('tree', name)), name);
  return restored;
}

test('repair images makes an image of all that is left, and the old one gives way to it', async (context) => {
  const place = await placeOf(context);
  const { line, repository, run } = place;
  await damage(place, 'long');
  await line.fails(1, ['-r', repository, 'verify', '-q']);
  const before = objectsOf(place);
  const planned = jsonOf(await run('repair', 'images', '--json'));
  assert.deepEqual(objectsOf(place), before);
  assert.equal(planned.dry_run, true);
  assert.match(await run('repair', 'images'), /nothing was changed/);
  const done = jsonOf(await run('repair', 'images', '--json', '--yes'));
  assert.deepEqual(
    done.images.map(({ lost }: { lost: { path: string }[] }) => lost.map(({ path }) => path)),
    [[line.path('tree/long')]],
  );
  const images = JSON.parse(await run('images', '--json'));
  assert.deepEqual(
    images.map(({ id, tags }: { id: string; tags: string[] }) => [id, tags]),
    [[done.images[0].repaired_as, ['repaired']]],
  );
  await assertRestores(place, 'latest', ['long']);
  const check = await line.run(['-r', repository, 'check', '--read-data', '--json'], { env });
  const findings = check.stderr
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text));
  assert.deepEqual(
    findings.flatMap(({ images = [] }) => images),
    [],
  );
});

test('repair images --keep-partial keeps what is left with holes, and the next backup has the file whole', async (context) => {
  const place = await placeOf(context);
  const { line, repository, run } = place;
  await damage(place, 'long');
  await line.fails(1, ['-r', repository, 'verify', '-q']);
  const [{ lost }] = jsonOf(await run('repair', 'images', '--json', '--yes', '--keep-partial')).images;
  assert.equal(lost[0].kept_as, line.path('tree/long.damaged'));
  const restored = await assertRestores(place, 'latest', ['long']);
  const left = readFileSync(join(restored, 'long.damaged'));
  const wanted = readFileSync(line.path('tree/long'));
  assert.equal(left.length, wanted.length);
  const bytesLost = left.reduce((sum, byte, i) => sum + (byte === wanted[i] ? 0 : 1), 0);
  assert.ok(bytesLost > 0 && bytesLost <= lost[0].bytes_lost);
  assert.ok(left.subarray(0, 10).every((byte) => byte === 0));
  await run('backup', '-q', 'tree');
  await assertRestores(place, 'latest', []);
  assert.match(await run('repair', 'images'), /nothing to repair/);
});

test('repair packs copies what is sound out of damaged packs', async (context) => {
  const place = await placeOf(context);
  const { line, repository, run } = place;
  await damage(place, 'long');
  await line.fails(1, ['-r', repository, 'verify', '-q']);
  const before = objectsOf(place);
  const planned = jsonOf(await line.ok(['-r', repository, 'repair', 'packs', '--json']));
  assert.deepEqual(objectsOf(place), before);
  const done = jsonOf(await line.ok(['-r', repository, 'repair', 'packs', '--json', '--yes']));
  assert.deepEqual({ ...done, dry_run: true }, planned);
  const [pack] = done.packs;
  assert.ok(pack.frames_copied > 0 && pack.frames_lost.length === 1 && pack.frames_untold === 0);
  rmSync(join(repository, pack.pack));
  rmSync(join(repository, 'index', pack.pack.split('/').at(-1)));
  await run('repair', 'images', '--yes');
  await assertRestores(place, 'latest', ['long']);
});

test('repair index makes up for segments that are lost, damaged, or of no pack', async (context) => {
  const place = await placeOf(context);
  const { line, repository, run } = place;
  const whole = new Map(objectsOf(place).map((name) => [name, readFileSync(join(repository, name))]));
  const [first, second] = objectsOf(place).filter((name) => name.startsWith('index/'));
  rmSync(join(repository, first!));
  writeFileSync(join(repository, second!), 'rotten');
  writeFileSync(join(repository, 'index', '0'.repeat(32)), whole.get(first!)!);
  await run('repair', 'index');
  assert.ok(!existsSync(join(repository, first!)));
  // It needs no key.
  const done = jsonOf(await line.ok(['-r', repository, 'repair', 'index', '--yes', '--json']));
  assert.equal(done.written_for.length, 2);
  assert.deepEqual(
    new Map(objectsOf(place).map((name) => [name, readFileSync(join(repository, name))])),
    whole,
  );
  assert.match(await run('check', '--read-data'), /no errors were found/);
  assert.match(await run('repair', 'index'), /nothing to repair/);
});
