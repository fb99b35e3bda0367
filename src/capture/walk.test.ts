import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, bytesOf, errnoOf } from '../base/mod.ts';
import { type PathKey, pathKeyOf, pathOfKey } from '../format/mod.ts';
import { fileName } from '../format/testing/arbitraries.ts';
import { AT_FDCWD, close, mkdirAt, openDirectory } from '../os/mod.ts';
import { Selection } from './select/mod.ts';
import { openDescriptors } from './testing/capture-scene.ts';
import { justBefore, Onlooker } from './testing/onlooker.ts';
import { type WalkOptions, walk } from './walk.ts';

function makeFolder(context: TestContext, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'everfull-walk-'));
  // Paths may be longer than Node takes.
  context.after(() => execFileSync('rm', ['-rf', folder]));
  return folder;
}

interface Walked {
  readonly keys: PathKey[];
  /** Below the folder that the walk was asked for, without those on the way. */
  readonly names: ByteString[];
  readonly onTheWay: ByteString[];
  readonly failed: string[];
  readonly leftOut: ByteString[];
  descriptorsMost: number;
}

/** Walks to the end; nothing may be left open. */
function walkAll(folder: ByteString, options: Partial<WalkOptions> = {}): Walked {
  const walked: Walked = { keys: [], names: [], onTheWay: [], failed: [], leftOut: [], descriptorsMost: 0 };
  const before = openDescriptors();
  for (const entry of walk({
    paths: [folder],
    selection: new Selection(),
    leaveOut: [],
    failed: (path, { code }) => walked.failed.push(`${code} ${path}`),
    leftOut: (path) => walked.leftOut.push(path),
    ...options,
  })) {
    walked.keys.push(entry.key);
    const path = pathOfKey(entry.key);
    if (entry.isAncestor) walked.onTheWay.push(path);
    else walked.names.push(path.slice(folder.length + 1));
    if (walked.keys.length % 50 === 0)
      walked.descriptorsMost = Math.max(walked.descriptorsMost, openDescriptors() - before);
  }
  assert.equal(openDescriptors(), before, 'nothing is left open');
  return walked;
}

/** All paths from `path` down, by Node. */
function listed(path: ByteString): ByteString[] {
  if (!lstatSync(bytesOf(path)).isDirectory()) return [path];
  const names = readdirSync(bytesOf(path), { encoding: 'latin1' });
  return [path, ...names.flatMap((name) => listed(`${path}/${name}`))];
}

test('any tree is walked in the order of its keys, each entry once', async (context) => {
  const folder = makeFolder(context);
  let turn = 0;
  const paths = fc.array(fc.tuple(fc.array(fileName, { minLength: 1, maxLength: 4 }), fc.boolean()), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(paths, (made) => {
      const root = join(folder, `${turn++}`);
      mkdirSync(root);
      for (const [names, isFolder] of made) {
        const path = bytesOf(`${root}/${names.join('/')}`);
        try {
          mkdirSync(isFolder ? path : bytesOf(dirname(path.toString('latin1'))), { recursive: true });
          if (!isFolder) writeFileSync(path, '');
        } catch (error) {
          // Where a file is, no folder can be made, nor the other way round.
          if (errnoOf(error) === undefined) throw error;
        }
      }
      const { keys, failed } = walkAll(root);
      assert.deepEqual(failed, []);
      const below = keys.filter((key) => pathOfKey(key).startsWith(root));
      assert.deepEqual(below, listed(root).map(pathKeyOf).sort());
      assert.deepEqual(keys, keys.toSorted(), 'those on the way too');
    }),
    { numRuns: 60 },
  );
});

test('an entry comes with its folder and what the kernel says of it', (context) => {
  const root = makeFolder(context);
  mkdirSync(join(root, 'a/b'), { recursive: true });
  for (const name of ['x', 'a/y', 'a/b/z']) writeFileSync(join(root, name), name);
  symlinkSync('nowhere', join(root, 'a/link'));
  let count = 0;
  for (const { folder, name, stat, isAncestor } of walk({
    paths: [root],
    selection: new Selection(),
    leaveOut: [],
    failed: assert.fail,
    leftOut: assert.fail,
  })) {
    if (isAncestor) continue;
    const { ino, size, mtimeMs } = lstatSync(folder + name);
    assert.deepEqual([stat.inode, stat.size], [ino, size]);
    assert.equal(stat.mtimeSeconds, Math.floor(mtimeMs / 1000));
    count++;
  }
  assert.equal(count, 7);
});

/** Folders in folders, by descriptors: their paths become longer than a system call takes. */
function nest(root: string, name: string, depth: number, act: (fd: number, level: number) => void): void {
  let fd = openDirectory(AT_FDCWD, root);
  for (let level = 0; level < depth; level++) {
    mkdirAt(fd, name, 0o700);
    act(fd, level);
    const next = openDirectory(fd, name);
    close(fd);
    fd = next;
  }
  close(fd);
}

for (const [how, name] of [
  ['deeper than a process may have folders open', 'd'],
  ['of paths longer than a system call takes', 'd'.repeat(30)],
] as const) {
  test(`a tree ${how} is walked down, and up again to the folders beside`, (context) => {
    const root = makeFolder(context);
    const depth = 260;
    const expected: ByteString[] = [''];
    const prefixOf = (level: number) => `${name}/`.repeat(level);
    nest(root, name, depth, (fd, level) => {
      mkdirAt(fd, 'after', 0o700);
      mkdirAt(fd, 'after/below', 0o700);
      for (const made of [name, 'after', 'after/below']) expected.push(prefixOf(level) + made);
    });
    const { names, failed, descriptorsMost } = walkAll(root);
    assert.deepEqual(failed, []);
    assert.equal(names.length, 3 * depth + 1);
    assert.deepEqual(names.toSorted(), expected.toSorted());
    const keys = names.map((made) => pathKeyOf(`${root}/${made}`));
    assert.deepEqual(keys.slice(1), keys.slice(1).toSorted());
    assert.ok(descriptorsMost > 100 && descriptorsMost < 210, `${descriptorsMost} descriptors`);
  });
}

test('a walk that is given up halfway leaves nothing open', (context) => {
  const root = makeFolder(context);
  nest(root, 'd', 20, () => {});
  const before = openDescriptors();
  for (const { key } of walk({
    paths: [root],
    selection: new Selection(),
    leaveOut: [],
    failed: assert.fail,
    leftOut: assert.fail,
  })) {
    if (key.includes('d\0d\0d\0')) break;
    assert.ok(key.length < 200);
  }
  assert.equal(openDescriptors(), before);
});

test('what vanishes during the walk is simply not there', (context) => {
  const root = makeFolder(context);
  for (const name of ['gone', 'gone/below', 'last', 'vanishing']) mkdirSync(join(root, name));
  for (const name of ['gone/file', 'last/file', 'vanishing/file']) writeFileSync(join(root, name), '');
  writeFileSync(join(root, 'lost'), '');
  const selection = justBefore(`${root}/lost`, () => {
    rmSync(join(root, 'gone'), { recursive: true });
    rmSync(join(root, 'lost'));
  });
  const { names, failed } = walkAll(root, { selection });
  assert.deepEqual(failed, []);
  assert.deepEqual(names, ['', 'gone', 'last', 'vanishing', 'last/file', 'vanishing/file']);
});

test('a folder that vanishes far down is simply not there', (context) => {
  const root = makeFolder(context);
  nest(root, 'd', 230, (fd, level) => {
    if (level === 220) mkdirAt(fd, 'e', 0o700);
  });
  const deep = `${root}/${'d/'.repeat(220)}`;
  const selection = justBefore(`${deep}e`, () => execFileSync('rm', ['-r', `${deep}d`]));
  const { names, failed } = walkAll(root, { selection });
  assert.deepEqual(failed, []);
  assert.equal(names.length, 1 + 221 + 1);
});

test('a folder that becomes something else before it is entered is told of, and none is followed', (context) => {
  const root = makeFolder(context);
  for (const name of ['a', 'b', 'c', 'elsewhere']) mkdirSync(join(root, name));
  for (const name of ['a/1', 'b/1', 'c/1', 'elsewhere/secret']) writeFileSync(join(root, name), '');
  const selection = justBefore(`${root}/elsewhere`, () => {
    for (const name of ['a', 'b']) rmSync(join(root, name), { recursive: true });
    writeFileSync(join(root, 'a'), '');
    symlinkSync('elsewhere', join(root, 'b'));
  });
  const { names, failed } = walkAll(root, { selection });
  assert.deepEqual(failed, [`ENOTDIR ${root}/a`, `ENOTDIR ${root}/b`]);
  assert.deepEqual(names, ['', 'a', 'b', 'c', 'elsewhere', 'c/1', 'elsewhere/secret']);
});

test('a folder that is renamed while the walk is below it is walked to its end', (context) => {
  const root = makeFolder(context);
  mkdirSync(join(root, 'a/b/c'), { recursive: true });
  mkdirSync(join(root, 'a/d'));
  for (const name of ['a/b/c/1', 'a/d/2']) writeFileSync(join(root, name), '');
  const selection = justBefore(`${root}/a/b/c`, () => renameSync(join(root, 'a'), join(root, 'z')));
  const { names, failed } = walkAll(root, { selection });
  assert.deepEqual(failed, []);
  assert.deepEqual(names, ['', 'a', 'a/b', 'a/d', 'a/b/c', 'a/b/c/1', 'a/d/2']);
});

test('several wanted paths are walked as one tree, and what is on the way is marked', (context) => {
  const root = makeFolder(context);
  mkdirSync(join(root, 'a/b/c'), { recursive: true });
  mkdirSync(join(root, 'other'));
  for (const name of ['a/1', 'a/b/2', 'a/b/3', 'a/b/c/4', 'other/5', 'z'])
    writeFileSync(join(root, name), '');
  const below = (paths: readonly ByteString[]) =>
    paths.filter((path) => path.startsWith(`${root}/`)).map((path) => path.slice(root.length + 1));
  const wanted = ['z', 'a/b/c', 'a/b/2', 'gone', 'gone/too'].map((name) => `${root}/${name}`);
  const { names, onTheWay, keys, failed } = walkAll(root, { paths: wanted });
  assert.deepEqual(failed, []);
  assert.deepEqual(below(onTheWay), ['a', 'a/b']);
  assert.deepEqual(names, ['z', 'a/b/2', 'a/b/c', 'a/b/c/4']);
  assert.deepEqual(keys, keys.toSorted());
  // What is named besides what it lies in is there once.
  const nested = walkAll(root, { paths: [`${root}/a/b`, root, `${root}/a`] });
  assert.deepEqual(nested.keys, walkAll(root).keys);
  assert.deepEqual(nested.onTheWay, walkAll(root).onTheWay);
});

test('a symbolic link in the way to a wanted path is followed, and no other', (context) => {
  const root = makeFolder(context);
  mkdirSync(join(root, 'real/wanted'), { recursive: true });
  writeFileSync(join(root, 'real/wanted/file'), '');
  writeFileSync(join(root, 'real/other'), '');
  symlinkSync('real', join(root, 'link'));
  symlinkSync('..', join(root, 'real/wanted/up'));
  symlinkSync('real/wanted', join(root, 'direct'));
  const { names, onTheWay } = walkAll(root, { paths: [`${root}/link/wanted`, `${root}/direct`] });
  assert.deepEqual(names, ['direct', 'link/wanted', 'link/wanted/file', 'link/wanted/up']);
  assert.equal(onTheWay.at(-1), `${root}/link`);
});

test('what is left out is not looked into, and folders on the way stay whatever leaves them out', (context) => {
  const root = makeFolder(context);
  mkdirSync(join(root, 'a/b/c'), { recursive: true });
  mkdirSync(join(root, 'own/x'), { recursive: true });
  mkdirSync(join(root, 'marked'));
  for (const name of ['a/1', 'a/b/2', 'a/b/c/3', 'marked/.no', 'marked/4', 'own/x/5', 'own/y'])
    writeFileSync(join(root, name), '');
  writeFileSync(join(root, 'large'), 'x'.repeat(100));
  const looked: ByteString[] = [];
  const selection = new Onlooker((path) => looked.push(path.slice(root.length + 1)), {
    excludes: [`${root}/a`, 'own/y'],
    excludeIfPresent: [{ name: '.no' }],
    excludeLargerThan: 99,
  });
  const leaveOut = [`${root}/own/x`, `${root}/not there`];
  const { names, leftOut } = walkAll(root, { selection, leaveOut });
  assert.deepEqual(names, ['', 'marked', 'own', 'marked/.no']);
  assert.deepEqual(leftOut, [`${root}/own/x`]);
  assert.ok(!looked.some((name) => name.startsWith('a/') || name.startsWith('own/x')));
  const onTheWay = walkAll(root, { selection, leaveOut, paths: [`${root}/a/b`, root] });
  assert.deepEqual(onTheWay.names, names);
  const wanted = walkAll(root, {
    selection: new Selection({ excludes: [`${root}/a`] }),
    paths: [`${root}/a/b`],
  });
  assert.deepEqual(wanted.onTheWay.at(-1), `${root}/a`);
});

test('other file systems are left out on demand, but for the folders on which they lie and what is asked for', (context) => {
  const mount = '/dev/shm';
  assert.notEqual(statSync(mount).dev, statSync('/dev').dev, 'a file system of its own');
  const root = makeFolder(context, mount);
  writeFileSync(join(root, 'file'), '');
  const name = root.slice('/dev/'.length);
  // Other tests use this file system at the same time.
  const below = (options: Partial<WalkOptions>) =>
    walkAll('/dev', { leaveOut: ['/dev/mqueue', '/dev/pts', '/dev/fd'], ...options }).names.filter(
      (found) => found === 'shm' || found === name || found.startsWith(`${name}/`),
    );
  assert.deepEqual(below({}), ['shm', name, `${name}/file`]);
  const selection = new Selection({ oneFileSystem: true });
  assert.deepEqual(below({ selection }), ['shm']);
  assert.deepEqual(below({ selection, paths: [`${root}/file`] }), [`${name}/file`]);
  assert.deepEqual(below({ selection, paths: ['/dev', mount] }), ['shm', name, `${name}/file`]);
  assert.deepEqual(below({ selection, paths: ['/dev', `${root}/file`] }), ['shm', `${name}/file`]);
});
