import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DirectoryListing, DirectoryReader } from './dir.ts';
import { AT_FDCWD, close, openDirectory, StatBuffer } from './mod.ts';

function temporaryFolder() {
  return mkdtempDisposableSync(join(tmpdir(), 'everfull-dir-'));
}

function read(path: string, reader = new DirectoryReader()): DirectoryListing {
  const fd = openDirectory(AT_FDCWD, path);
  try {
    return reader.read(fd);
  } finally {
    close(fd);
  }
}

/** The names as find(1) gives them, in the order of sort(1) by bytes. */
function namesByOthers(folder: string): string[] {
  const script = `find . -mindepth 1 -maxdepth 1 -printf '%f\\0' | LC_ALL=C sort -z`;
  const output = execFileSync('bash', ['-ec', script], {
    cwd: folder,
    encoding: 'latin1',
    maxBuffer: 2 ** 26,
  });
  return output.split('\0').slice(0, -1);
}

test('read() gives the names as bytes, in byte order', () => {
  using folder = temporaryFolder();
  const script = `touch $'not\\xffutf8' $'new\\nline' café ...dots .hidden ..x $(printf 'x%.0s' {1..255}) Z a -- -dash`;
  execFileSync('bash', ['-ec', script], { cwd: folder.path });
  const { names } = read(folder.path);
  assert.deepEqual(names, namesByOthers(folder.path));
  assert.equal(names.includes('not\xffutf8'), true);
  assert.equal(names.includes('caf\xc3\xa9'), true);
  assert.equal(names.length, 10);
});

test('read() gives nothing for an empty folder', () => {
  using folder = temporaryFolder();
  const { names, types } = read(folder.path);
  assert.deepEqual([names.length, types.length], [0, 0]);
});

test('read() gives a type and an address to every name, in the same order', () => {
  using folder = temporaryFolder();
  for (let i = 0; i < 100; i++) {
    const path = join(folder.path, `${(i * 37) % 100}`);
    if (i % 2 === 0) mkdirSync(path);
    else writeFileSync(path, 'x'.repeat(Number((i * 37) % 100)));
  }
  const stat = new StatBuffer();
  const fd = openDirectory(AT_FDCWD, folder.path);
  const listing = new DirectoryReader().read(fd);
  listing.names.forEach((name, i) => {
    assert.equal(stat.atAddress(fd, listing.address(i)), 0);
    assert.equal(stat.type >> 12, listing.types[i], name);
    if (listing.types[i] === 8) assert.equal(stat.size, Number(name));
  });
  close(fd);
});

test('atAddress() tells ENOENT for an entry that is gone since', () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'short-lived');
  writeFileSync(path, '');
  const fd = openDirectory(AT_FDCWD, folder.path);
  const listing = new DirectoryReader().read(fd);
  execFileSync('rm', [path]);
  assert.equal(new StatBuffer().atAddress(fd, listing.address(0)), 2);
  close(fd);
});

test('read() takes a folder that is larger than its memory, and small ones after it', () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, 'small'));
  writeFileSync(join(folder.path, 'small', 'one'), '');
  const large = join(folder.path, 'large');
  mkdirSync(large);
  // 2500 records of about 280 bytes: nearly three times the memory that the reader begins with.
  const prefix = 'x'.repeat(250);
  execFileSync('bash', ['-ec', `seq -f '${prefix}%.0f' 2500 | xargs touch`], { cwd: large });
  const reader = new DirectoryReader();
  const fd = openDirectory(AT_FDCWD, large);
  const listing = reader.read(fd);
  assert.deepEqual(listing.names, namesByOthers(large));
  const stat = new StatBuffer();
  for (let i = 0; i < 2500; i++) assert.equal(stat.atAddress(fd, listing.address(i)), 0);
  close(fd);
  assert.deepEqual(read(join(folder.path, 'small'), reader).names, ['one']);
  assert.equal(listing.names[0], `${prefix}1`);
  assert.equal(listing.types[0], 8);
});

test('address() is refused once the reader has read another folder', () => {
  const reader = new DirectoryReader();
  const first = read('/', reader);
  assert.equal(first.address(0) > 0, true);
  read('/dev', reader);
  assert.throws(() => first.address(0), /read another folder/);
});

test('read() refuses what is no folder', () => {
  assert.throws(() => new DirectoryReader().read(-1), { code: 'EBADF', syscall: 'getdents64' });
});
