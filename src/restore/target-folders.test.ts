import assert from 'node:assert/strict';
import { mkdirSync, mkdtempDisposableSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD, close, mkdirAt, openDirectory, StatBuffer } from '../os/mod.ts';
import { FolderMaker } from './make-folder.ts';
import { splitPlace, TargetFolders } from './target-folders.ts';

function open(path: string) {
  const root = openDirectory(AT_FDCWD, path);
  const folders = new TargetFolders(root);
  const identity = { uid: process.geteuid!(), gid: process.getegid!() };
  const maker = new FolderMaker(folders, { identity, overwrite: 'always', dryRun: false });
  return {
    folders,
    maker,
    [Symbol.dispose]: () => {
      folders.close();
      close(root);
    },
  };
}

test('open() refuses symlinks in any component, and what is missing', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-folders-'));
  mkdirSync(join(folder.path, 'a/b'), { recursive: true });
  symlinkSync('a', join(folder.path, 'link'));
  symlinkSync('../..', join(folder.path, 'a/b/out'));
  using opened = open(folder.path);
  assert.ok(opened.folders.open('a/b') > 0);
  for (const path of ['link', 'link/b', 'a/b/out', 'a/b/out/a']) {
    assert.throws(() => opened.folders.open(path), { code: 'ENOTDIR' }, path);
  }
  assert.throws(() => opened.folders.open('a/c'), { code: 'ENOENT' });
});

test('ensure() makes folders deeper than any path that one call takes', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-folders-'));
  using opened = open(folder.path);
  const path = Array.from({ length: 60 }, (_, i) => `${i}`.padEnd(100, 'x')).join('/');
  assert.equal(opened.maker.ensure(path), true);
  assert.equal(opened.maker.ensure(path), false);
  mkdirAt(opened.folders.open(path), 'inside', 0o700);
  const stat = new StatBuffer();
  assert.ok(stat.at(opened.folders.open(path), 'inside'));
});

test('ensure() replaces a symlink by a folder and leaves what it led to', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-folders-'));
  mkdirSync(join(folder.path, 'elsewhere'));
  symlinkSync('elsewhere', join(folder.path, 'a'));
  using opened = open(folder.path);
  assert.equal(opened.maker.ensure('a/b'), true);
  assert.deepEqual(readdirSync(join(folder.path, 'elsewhere')), []);
  assert.deepEqual(readdirSync(join(folder.path, 'a')), ['b']);
});

test('open() keeps a bounded number of descriptors', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-folders-'));
  using opened = open(folder.path);
  const before = readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 500; i++) opened.maker.ensure(`${i}`);
  for (let i = 0; i < 500; i++) opened.folders.open(`${i}`);
  assert.ok(readdirSync('/proc/self/fd').length - before < 200);
});

test('splitPlace() parts the last component from its folder', () => {
  assert.deepEqual(splitPlace('a/b/c'), { folder: 'a/b', name: 'c' });
  assert.deepEqual(splitPlace('a'), { folder: '', name: 'a' });
});
