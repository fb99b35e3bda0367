import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { CommandLine } from './command-line.ts';
import { differenceOf, proseOf, type Tree, treeOf } from './testing/repository-fixture.ts';

// Key files: a passphrase takes long by design.
const FROM = { EVERFULL_KEY_FILE: 'from.key' };
const TO = { EVERFULL_KEY_FILE: 'to.key' };

describe('images in files', () => {
  let line: CommandLine;
  let remove = () => {};
  after(() => remove());
  /** The tree when it was backed up first. */
  let old: Tree;
  const from = (...words: string[]) => line.ok(['-r', 'from', ...words], { env: FROM });
  const to = (...words: string[]) => line.ok(words, { env: TO });

  /** A tree that was backed up twice, and its two images as files. */
  before(async () => {
    const ends: Pick<TestContext, 'after'> = {
      after: (work) => {
        remove = work as () => void;
      },
    };
    line = new CommandLine(ends as TestContext);
    mkdirSync(line.path('tree/sub'), { recursive: true });
    for (let i = 0; i < 60; i++)
      writeFileSync(line.path('tree', `file-${i}`), `contents ${i} `.repeat(50 + i));
    writeFileSync(line.path('tree/long'), proseOf(1, 3_000_000));
    symlinkSync('file-1', line.path('tree/link'));
    await from('init');
    await from('backup', 'tree', '-q');
    old = treeOf(line.path('tree'));
    writeFileSync(line.path('tree/sub/new'), 'new');
    writeFileSync(line.path('tree/file-7'), 'changed');
    await from('backup', 'tree', '-q');
    await from('export', 'latest~1', '-o', 'whole');
    await from('export', 'latest', '--base', 'latest~1', '-o', 'changes');
  });

  /** A repository with the same secrets and another key. */
  const sibling = (name: string) =>
    to('-r', name, 'init', '--secrets-from', 'from', '--from-key-file', 'from.key');

  function assertTree(wanted: Tree, target: string): void {
    const found = treeOf(join(line.path(target), line.path('tree')));
    assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
    for (const [path, entry] of found) assert.equal(differenceOf(entry, wanted.get(path)!), undefined, path);
  }

  test('images pass into a repository with the same secrets, and restore there exactly', async () => {
    await sibling('to');
    assert.ok(readFileSync(line.path('changes')).length < readFileSync(line.path('whole')).length / 2);
    assert.match(
      await to('-r', 'to', 'import', 'whole'),
      /^imported image [0-9a-f]{8} as image [0-9a-f]{8}: /,
    );
    await to('-r', 'to', 'restore', 'latest', '--target', 'restored', '-q');
    assertTree(old, 'restored');
    await to('-r', 'to', 'import', 'changes');
    await to('-r', 'to', 'restore', 'latest', '--target', 'again', '-q');
    assertTree(treeOf(line.path('tree')), 'again');
    assert.match(await to('-r', 'to', 'import', 'changes'), /is here already/);
    assert.equal(JSON.parse(await to('-r', 'to', 'images', '--json')).length, 2);
    await to('-r', 'to', 'check', '--read-data');
    assert.match(await line.fails(12, ['-r', 'to', 'images'], { env: FROM }), /no key slot/);
  });

  test('a stream goes through a pipe', async () => {
    await sibling('piped');
    const everfull = CommandLine.words.join(' ');
    const pipe = `${everfull} -r from export latest | EVERFULL_KEY_FILE=to.key ${everfull} -r piped import -`;
    const { code, stdout, stderr } = await line.spawn(['sh', '-c', pipe], { env: FROM });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^imported image/);
    assert.match(stderr, /^exported image/);
    await to('-r', 'piped', 'restore', 'latest', '--target', 'from-pipe', '-q');
    assertTree(treeOf(line.path('tree')), 'from-pipe');
  });

  test('what is no whole stream for this repository is refused, and says why', async () => {
    await sibling('empty');
    await to('-r', 'foreign', 'init');
    const bytes = readFileSync(line.path('whole'));
    writeFileSync(line.path('cut'), bytes.subarray(0, bytes.length - 50));
    writeFileSync(line.path('text'), 'no stream, but long enough to be taken for the start of one'.repeat(3));
    const refused = async (repository: string, file: string) =>
      line.fails(1, ['-r', repository, 'import', file], { env: TO });
    assert.match(await refused('foreign', 'whole'), /made with the secrets/);
    assert.match(await refused('empty', 'changes'), /is not in this repository.*Import that image first/s);
    assert.match(await refused('empty', 'cut'), /before its own end/);
    assert.match(await refused('empty', 'text'), /does not begin as one/);
    assert.match(await refused('empty', 'nothing-there'), /Could not read "nothing-there"/);
    assert.deepEqual(JSON.parse(await to('-r', 'empty', 'images', '--json')), []);
  });

  test('an export that fails leaves no file, and none is overwritten', async () => {
    cpSync(line.path('from'), line.path('broken'), { recursive: true });
    const packs = readdirSync(line.path('broken/packs'), { recursive: true, encoding: 'utf8' });
    for (const pack of packs.filter((name) => name.includes('/'))) {
      const path = line.path('broken/packs', pack);
      const bytes = readFileSync(path);
      for (let at = 100; at < bytes.length; at += 1000) bytes[at]! ^= 1;
      writeFileSync(path, bytes);
    }
    const fails = (...words: string[]) =>
      line.fails(1, ['-r', 'broken', 'export', ...words, '-o', 'file'], { env: FROM });
    await fails('latest');
    assert.match(await fails('latest:/etc'), /exported whole/);
    for (const name of ['file', 'file.partial']) assert.equal(existsSync(line.path(name)), false, name);
    writeFileSync(line.path('file'), 'mine');
    assert.match(await fails('latest'), /there is a file of that name/);
    assert.equal(readFileSync(line.path('file'), 'utf8'), 'mine');
  });

  test('init refuses keys of another repository that is not named, or not there', async () => {
    const init = ['-r', 'new', 'init'];
    const said = await line.fails(1, [...init, '--from-key-file', 'from.key'], { env: TO });
    assert.match(said, /no --secrets-from/);
    await line.fails(10, [...init, '--secrets-from', 'nowhere'], { env: TO });
    assert.equal(existsSync(line.path('new')), false);
  });
});
