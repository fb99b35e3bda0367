import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { close, openFile, seekData, seekHole } from '../src/os/mod.ts';
import { CommandLine } from './command-line.ts';
import { assertSameTrees, blocksOf, rsyncDifferences, statLines } from './testing/judges.ts';
import { emptyFolder, IS_ROOT, makeDeepTree, makeOddTree, writeSparse } from './testing/odd-tree.ts';

const GIB = 1024 ** 3;
const REPOSITORY = { EVERFULL_REPOSITORY: 'repository', EVERFULL_PASSWORD: 'test' };

/** A command line whose folder can be removed whatever flags and depths are in it. */
function lineFor(context: TestContext): CommandLine {
  context.after(() => emptyFolder(line.path()));
  const line = new CommandLine(context);
  return line;
}

/** Where a file has data, as the file system sees it: offset and length, in pairs. */
function islandsOf(path: string): [number, number][] {
  const fd = openFile(-100, path);
  const islands: [number, number][] = [];
  const { size } = statSync(path);
  for (let at = seekData(fd, 0); at >= 0 && at < size; ) {
    const end = seekHole(fd, at);
    islands.push([at, end - at]);
    at = seekData(fd, end);
  }
  close(fd);
  return islands;
}

function bytesAt(path: string, offset: number, length: number): Buffer {
  const fd = openSync(path, 'r');
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, offset);
  closeSync(fd);
  return bytes;
}

test('a tree with everything comes back the same, by the word of other programs', async (context) => {
  const line = lineFor(context);
  const tree = line.path('tree');
  makeOddTree(tree, { entries: 20_000 });
  await line.ok(['init', '-q'], { env: REPOSITORY });
  await line.ok(['backup', '-q', tree], { env: REPOSITORY });
  await line.ok(['restore', 'latest', '--target', 'whole', '-q'], { env: REPOSITORY });
  assertSameTrees(tree, line.path('whole', tree));
});

test('a part of an image gives its attributes to the target, and mends what is there', async (context) => {
  const line = lineFor(context);
  const tree = line.path('tree');
  makeOddTree(tree);
  await line.ok(['init', '-q'], { env: REPOSITORY });
  await line.ok(['backup', '-q', tree], { env: REPOSITORY });
  const target = line.path('part');
  mkdirSync(target);
  const words = ['restore', `latest:${tree}`, '--target', target, '-q', '--delete'];
  await line.ok(words, { env: REPOSITORY });
  assertSameTrees(tree, target);

  writeFileSync(`${target}/sizes/text`, 'something else');
  writeFileSync(`${target}/types/not in the image`, '');
  rmSync(`${target}/links/b`, { recursive: true });
  rmSync(`${target}/types/symlink`);
  mkdirSync(`${target}/types/symlink`);
  chmodSync(`${target}/names`, 0o700);
  utimesSync(`${target}/empty/of/all`, 1, 1);
  await line.ok(words, { env: REPOSITORY });
  assertSameTrees(tree, target);
});

test('what a user may back up and restore comes back the same', async (context) => {
  const line = lineFor(context);
  const tree = line.path('theirs/tree');
  const user = line.path('theirs');
  mkdirSync(user);
  const words = IS_ROOT ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  if (IS_ROOT) {
    chmodSync(line.path(), 0o755);
    chownSync(user, 65_534, 65_534);
  }
  const make = `import { makeOddTree } from ${JSON.stringify(import.meta.resolve('./testing/odd-tree.ts'))}; makeOddTree(${JSON.stringify(tree)});`;
  execFileSync([...words, process.execPath][0]!, [
    ...[...words, process.execPath].slice(1),
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    make,
  ]);
  const env = { HOME: user, EVERFULL_REPOSITORY: `${user}/repository`, EVERFULL_PASSWORD: 'test' };
  const run = async (...verb: string[]) => {
    const { code, stdout, stderr } = await line.spawn([...words, ...CommandLine.words, ...verb], { env });
    assert.equal(code, 0, `${verb.join(' ')}: ${stdout}${stderr}`);
    return stderr;
  };
  await run('init', '-q');
  await run('backup', '-q', tree);
  assert.equal(await run('restore', `latest:${tree}`, '--target', `${user}/part`, '-q'), '');
  assertSameTrees(tree, `${user}/part`);
});

test('holes of files of 10 GiB stay holes, and all data stays where it was', async (context) => {
  const line = lineFor(context);
  mkdirSync(line.path('tree'));
  const islands: [number, number][] = [
    [0, 4096],
    [3 * GIB + 4096, 100_000],
    [5 * GIB - 65_536, 131_072],
    [10 * GIB - 4096, 4096],
  ];
  writeSparse(line.path('tree/islands'), 10 * GIB, islands);
  writeSparse(line.path('tree/leading'), 10 * GIB, [[10 * GIB - 1, 1]]);
  writeSparse(line.path('tree/trailing'), 10 * GIB + 12_345, [[0, 1]]);
  writeSparse(line.path('tree/all hole'), 10 * GIB, []);
  writeSparse(
    line.path('tree/many islands'),
    10 * GIB,
    Array.from({ length: 2000 }, (_, i) => [i * 5 * 1024 * 1024, 4096]),
  );
  await line.ok(['init', '-q'], { env: REPOSITORY });
  await line.ok(['backup', '-q', 'tree'], { env: REPOSITORY });
  await line.ok(['restore', `latest:${line.path('tree')}`, '--target', 'out', '-q'], { env: REPOSITORY });
  assert.equal(rsyncDifferences(line.path('tree'), line.path('out'), { checksum: false }), '');
  assert.deepEqual(statLines(line.path('out')), statLines(line.path('tree')));
  const wanted = blocksOf(line.path('tree'));
  for (const [name, blocks] of blocksOf(line.path('out'))) {
    assert.ok(blocks <= wanted.get(name)! + 128, `${name} takes ${blocks} blocks`);
    // What is no data is a hole and reads as zeros, so equal islands mean equal files.
    const before = islandsOf(line.path('tree', name));
    assert.deepEqual(islandsOf(line.path('out', name)), before, name);
    for (const [offset, length] of before)
      assert.ok(
        bytesAt(line.path('out', name), offset, length).equals(
          bytesAt(line.path('tree', name), offset, length),
        ),
        `${name} at ${offset}`,
      );
  }
});

test('paths over 4,096 bytes come back the same', async (context) => {
  const line = lineFor(context);
  makeDeepTree(line.path('tree'), 9000);
  await line.ok(['init', '-q'], { env: REPOSITORY });
  await line.ok(['backup', '-q', 'tree'], { env: REPOSITORY });
  await line.ok(['restore', `latest:${line.path('tree')}`, '--target', 'out', '-q'], { env: REPOSITORY });
  assert.deepEqual(statLines(line.path('out')), statLines(line.path('tree')));
  // Programs that know no longer paths see the same in archives of both.
  const archive = (folder: string) =>
    execFileSync(
      'sh',
      ['-c', 'tar --format=gnu --sort=name -C "$1" -c . | sha256sum', 'sh', line.path(folder)],
      { encoding: 'latin1' },
    );
  assert.equal(archive('out'), archive('tree'));
  const again = await line.ok(['backup', '--json', 'tree'], { env: REPOSITORY });
  assert.equal(JSON.parse(again.trim().split('\n').at(-1)!).files_unmodified, 5);
});
