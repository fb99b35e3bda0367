import assert from 'node:assert/strict';
import {
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Dice, randomText, writeRandomFile } from './content.ts';
import { changeFiles, extentOf, plainFiles, Workspace } from './workspace.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('random text is the same wherever it is cut', () => {
  const whole = randomText('seed', 0, 4096);
  assert.deepEqual(Buffer.concat([randomText('seed', 0, 1024), randomText('seed', 1024, 3072)]), whole);
  assert.notDeepEqual(randomText('other seed', 0, 4096), whole);
  writeRandomFile(join(folder, 'file'), 'seed', 4096);
  assert.deepEqual(readFileSync(join(folder, 'file')), whole);
});

test('dice fall alike from one seed, stay below their limit, and pick each member once', () => {
  const throws = (seed: string) => {
    const dice = new Dice(seed);
    return Array.from({ length: 1500 }, () => dice.below(6));
  };
  assert.deepEqual(throws('seed'), throws('seed'));
  assert.deepEqual([...new Set(throws('seed'))].sort(), [0, 1, 2, 3, 4, 5]);
  const list = Array.from({ length: 50 }, (_, number) => number);
  assert.deepEqual(
    new Dice('pick').pick(list, 60).sort((a, b) => a - b),
    list,
  );
  assert.equal(new Set(new Dice('pick').pick(list, 20)).size, 20);
});

test('only files with one link and a plain name are changed', () => {
  for (const name of ['a', 'b', 'c d', 'linked']) writeFileSync(join(folder, name), name);
  linkSync(join(folder, 'linked'), join(folder, 'linked-too'));
  symlinkSync('a', join(folder, 'symlink'));
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]), 'x');
  assert.deepEqual(plainFiles(folder), [join(folder, 'a'), join(folder, 'b')]);
});

test('each changed file differs afterwards, by turns longer and as long as before, and no other does', () => {
  const before = Buffer.alloc(100);
  for (let file = 0; file < 10; file++) writeFileSync(join(folder, `file-${file}`), before);
  const changed = changeFiles(plainFiles(folder), 4, new Dice('change'));
  assert.deepEqual(
    changed.map((file) => readFileSync(file).length),
    [116, 100, 116, 100],
  );
  for (const file of plainFiles(folder)) {
    assert.equal(!readFileSync(file).equals(before), changed.includes(file), file);
  }
});

test('an extent counts every entry and the lengths of regular files, whatever their names', () => {
  writeFileSync(join(folder, 'a'), 'four');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x0a])]), 'two');
  symlinkSync('a', join(folder, 'symlink'));
  const extent = extentOf(folder);
  assert.equal(extent.entries, 4);
  assert.equal(extent.bytes, 7);
  assert.equal(extent.allocated % 512, 0);
});

test('a workspace is a new folder and takes nothing else with it when it goes', () => {
  writeFileSync(join(folder, 'mine'), '');
  const workspace = new Workspace(folder);
  workspace.freshRepository('one');
  assert.deepEqual(readdirSync(workspace.emptyFolder('repository-one')), []);
  workspace.remove();
  assert.deepEqual(readdirSync(folder), ['mine']);
});
