import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CommandLine } from './command-line.ts';
import { proseOf } from './testing/repository-fixture.ts';

const PASSWORD = { EVERFULL_PASSWORD: 'secret' };

interface Place {
  readonly line: CommandLine;
  readonly repository: string;
  /** The objects of a prefix, longest first, as paths. */
  objects(prefix: string): string[];
}

/** A repository with a password, two images, and a tree that they are of. */
async function placeOf(context: TestContext): Promise<Place> {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree'));
  for (let i = 0; i < 12; i++) writeFileSync(line.path('tree', `file ${i}`), proseOf(i, 40_000));
  const repository = line.path('repository');
  await line.ok(['-r', repository, 'init', '-q'], { env: PASSWORD });
  await line.ok(['-r', repository, 'backup', '-q', 'tree'], { env: PASSWORD });
  writeFileSync(line.path('tree', 'new'), proseOf(99, 50_000));
  await line.ok(['-r', repository, 'backup', '-q', 'tree'], { env: PASSWORD });
  const objects = (prefix: string) =>
    readdirSync(repository, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((path) => path.startsWith(join(repository, prefix)))
      .sort((a, b) => readFileSync(b).length - readFileSync(a).length);
  return { line, repository, objects };
}

function contentsOf({ objects }: Place): Map<string, string> {
  return new Map(objects('').map((path) => [path, readFileSync(path, 'latin1')]));
}

function summaryOf(stdout: string) {
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

test('verify reads all without a key, and changes nothing in a sound repository', async (context) => {
  const place = await placeOf(context);
  const { line, repository, objects } = place;
  const before = contentsOf(place);
  const printed = await line.ok(['-r', repository, 'verify']);
  const packs = objects('packs').length;
  assert.match(printed, new RegExp(`verified ${packs} of ${packs} packs .*\nno damage was found\n$`));
  assert.deepEqual(contentsOf(place), before);
  const json = await line.ok(['-r', repository, 'verify', '--json', '--max-age', '1d']);
  assert.deepEqual([summaryOf(json).packs_verified, summaryOf(json).packs_left], [0, 0]);
  assert.equal(
    summaryOf(await line.ok(['-r', repository, 'verify', '--json', '--no-cache'])).packs_verified,
    packs,
  );
});

test('verify ends within its budget and goes on with the rest', async (context) => {
  const { line, repository, objects } = await placeOf(context);
  const packs = objects('packs').length;
  for (let turn = 1; turn < packs; turn++) {
    const { packs_verified, packs_left } = summaryOf(
      await line.ok(['-r', repository, 'verify', '--json', '--budget', '1', '--max-age', '1d']),
    );
    assert.deepEqual([packs_verified, packs_left], [1, packs - turn]);
  }
  assert.equal(
    summaryOf(await line.ok(['-r', repository, 'verify', '--json', '--max-age', '1d'])).packs_verified,
    1,
  );
});

test('verify names whatever was flipped, zeroed, cut short or deleted, and records it once', async (context) => {
  const place = await placeOf(context);
  const { line, repository, objects } = place;
  const before = contentsOf(place);
  const middle = (path: string) => readFileSync(path).length >> 1;
  const harms: Record<string, (path: string) => void> = {
    flipped: (path) => {
      const bytes = readFileSync(path);
      bytes[middle(path)]! ^= 4;
      writeFileSync(path, bytes);
    },
    zeroed: (path) => writeFileSync(path, readFileSync(path).fill(0, middle(path), middle(path) + 64)),
    'cut short': (path) => truncateSync(path, middle(path)),
    deleted: (path) => rmSync(path),
  };
  for (const [what, harm] of Object.entries(harms)) {
    for (const prefix of ['packs', 'index', 'manifests']) {
      if (what !== 'flipped' && prefix !== 'packs') continue;
      const [path] = objects(prefix);
      harm(path!);
      const name = path!.slice(repository.length + 1);
      const { code, stdout, stderr } = await line.run(['-r', repository, 'verify', '--json']);
      assert.equal(code, 1, `${prefix} ${what}`);
      const [first, ...rest] = stderr
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text));
      assert.equal(first.object, name);
      assert.deepEqual(
        rest.map(({ message_type }) => message_type),
        ['exit_error'],
      );
      const { damaged_objects, damaged_frames, newly_recorded } = summaryOf(stdout);
      assert.equal(damaged_objects, 1);
      assert.equal(damaged_frames > 0, prefix === 'packs');
      assert.equal(newly_recorded, damaged_frames);
      const records = objects('damaged').length;
      assert.equal(records, prefix === 'packs' ? 1 : 0);
      if (what === 'flipped') {
        await line.fails(1, ['-r', repository, 'verify', '-q']);
        assert.equal(objects('damaged').length, records);
      }
      for (const record of objects('damaged')) rmSync(record);
      writeFileSync(path!, before.get(path!)!, 'latin1');
    }
  }
  await line.ok(['-r', repository, 'verify']);
  assert.deepEqual(contentsOf(place), before);
});

test('a backup after verify heals what it can build, for older images, too', async (context) => {
  const { line, repository, objects } = await placeOf(context);
  const [path] = objects('packs');
  const bytes = readFileSync(path!);
  bytes.fill(0xff, 1000, bytes.length - 1000);
  writeFileSync(path!, bytes);
  await line.fails(1, ['-r', repository, 'verify', '-q']);
  await line.ok(['-r', repository, 'backup', '-q', 'tree'], { env: PASSWORD });
  await line.ok(['-r', repository, 'restore', '-q', 'latest~1', '--target', 'out', '--verify'], {
    env: PASSWORD,
  });
  for (const name of readdirSync(line.path('tree')))
    assert.deepEqual(
      readFileSync(join(line.path('out'), line.path('tree'), name)),
      readFileSync(line.path('tree', name)),
    );
});

test('verify of no repository, and of a budget or an age that mean nothing, says so', async (context) => {
  const line = new CommandLine(context);
  await line.fails(10, ['-r', 'nowhere', 'verify']);
  mkdirSync(line.path('empty'));
  await line.fails(10, ['-r', 'empty', 'verify']);
  await line.fails(1, ['verify', '--max-age', '2026-01-01']);
  await line.fails(1, ['verify', '--budget', 'much']);
});
