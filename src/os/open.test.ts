import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempDisposableSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  AT_FDCWD,
  close,
  DirectoryReader,
  geteuid,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  open,
  openDirectory,
  openDirectoryPath,
  openFile,
  reachPath,
  read,
  StatBuffer,
} from './mod.ts';

function temporaryFolder() {
  return mkdtempDisposableSync(join(tmpdir(), 'everfull-open-'));
}

function shell(folder: string, script: string): string {
  return execFileSync('bash', ['-ec', script], { cwd: folder, encoding: 'latin1' });
}

/** 30 folders of 200 bytes, one in the other: paths of 6000 bytes, which no tool takes in one piece. */
const MAKE_DEEP = `name=$(printf 'd%.0s' {1..200}); for i in {1..30}; do mkdir $name; cd $name; done; echo deep > bottom`;
const DEEP = `/${'d'.repeat(200)}`.repeat(30);
const REMOVE_DEEP = 'rm -rf d*';

test('open() creates a file once and does not write through a symlink', () => {
  using folder = temporaryFolder();
  shell(folder.path, 'ln -s elsewhere symlink');
  const dirfd = openDirectory(AT_FDCWD, folder.path);
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  close(open(dirfd, 'new\xff', flags, 0o640));
  assert.equal(shell(folder.path, `stat -c '%a %F' $'new\\xff'`), '640 regular empty file\n');
  assert.throws(() => open(dirfd, 'new\xff', flags, 0o640), { code: 'EEXIST', syscall: 'openat' });
  assert.throws(() => open(dirfd, 'symlink', flags, 0o640), { code: 'EEXIST' });
  assert.equal(shell(folder.path, 'ls -A | wc -l'), '2\n');
  close(dirfd);
});

test('open() hands no descriptor to child processes', () => {
  using folder = temporaryFolder();
  const fd = openDirectory(AT_FDCWD, folder.path);
  const inherited = shell('/', 'readlink /proc/self/fd/* || true').split('\n');
  assert.equal(readlinkSync(`/proc/self/fd/${fd}`), folder.path);
  assert.equal(inherited.includes(folder.path), false);
  close(fd);
});

test('openDirectory() refuses a symlink to a folder', () => {
  using folder = temporaryFolder();
  shell(folder.path, 'mkdir real; ln -s real symlink');
  const dirfd = openDirectory(AT_FDCWD, folder.path);
  close(openDirectory(dirfd, 'real'));
  assert.throws(() => openDirectory(dirfd, 'symlink'), { code: 'ENOTDIR' });
  assert.throws(() => openDirectory(dirfd, 'missing'), { code: 'ENOENT', path: 'missing' });
  close(dirfd);
});

test('openDirectory() and openFile() open what belongs to another user', () => {
  // Without the right to leave the access time alone unless we are root.
  close(openDirectory(AT_FDCWD, '/usr'));
  close(openFile(AT_FDCWD, '/etc/passwd'));
});

test('openFile() refuses symlinks, does not wait for a FIFO and leaves the access time alone', () => {
  using folder = temporaryFolder();
  shell(folder.path, `mkfifo fifo; ln -s file symlink; echo x > file; TZ=UTC touch -a -d '2001-01-01' file`);
  const dirfd = openDirectory(AT_FDCWD, folder.path);
  close(openFile(dirfd, 'fifo'));
  assert.throws(() => openFile(dirfd, 'symlink'), { code: 'ELOOP' });
  const fd = openFile(dirfd, 'file');
  assert.equal(read(fd, Buffer.alloc(2), 0, 2, 0), 2);
  close(fd);
  assert.equal(shell(folder.path, `TZ=UTC stat -c %x file`), '2001-01-01 00:00:00.000000000 +0000\n');
  close(dirfd);
});

test('openFile() says EACCES of a file that may not be read, unless we are root', () => {
  using folder = temporaryFolder();
  shell(folder.path, 'echo x > secret; chmod 0 secret');
  const path = join(folder.path, 'secret');
  if (geteuid() === 0) close(openFile(AT_FDCWD, path));
  else assert.throws(() => openFile(AT_FDCWD, path), { code: 'EACCES' });
  close(open(AT_FDCWD, path, O_PATH | O_NOFOLLOW));
});

test('openDirectoryPath() opens a folder by a path of 6000 bytes', () => {
  using folder = temporaryFolder();
  shell(folder.path, MAKE_DEEP);
  const path = folder.path + DEEP;
  assert.equal(path.length > 6000, true);
  for (const spelling of [path, `${path}/`, path.replaceAll('/', '///')]) {
    const fd = openDirectoryPath(spelling);
    assert.deepEqual(new DirectoryReader().read(fd).names, ['bottom']);
    close(fd);
  }
  assert.throws(() => openDirectoryPath(`${path}/missing`), { code: 'ENOENT' });
  assert.throws(() => openDirectoryPath(`${path}/bottom`), { code: 'ENOTDIR' });
  assert.throws(() => openDirectoryPath(`${path}/${'x'.repeat(5000)}`), { code: 'ENAMETOOLONG' });
  shell(folder.path, REMOVE_DEEP);
});

test('reachPath() lends the last component of a long path and a short path as it is', () => {
  using folder = temporaryFolder();
  shell(folder.path, MAKE_DEEP);
  const stat = new StatBuffer();
  const found = reachPath(`${folder.path}${DEEP}/bottom`, (dirfd, name) => [
    name,
    stat.at(dirfd, name),
    stat.size,
  ]);
  assert.deepEqual(found, ['bottom', true, 5]);
  assert.deepEqual(
    reachPath('/etc/passwd', (dirfd, name) => [dirfd, name]),
    [AT_FDCWD, '/etc/passwd'],
  );
  shell(folder.path, REMOVE_DEEP);
});

test('reachPath() leaves no descriptor open, failed or not', () => {
  using folder = temporaryFolder();
  shell(folder.path, MAKE_DEEP);
  const count = (): number => {
    const fd = openDirectory(AT_FDCWD, '/proc/self/fd');
    const { length } = new DirectoryReader().read(fd).names;
    close(fd);
    return length;
  };
  const before = count();
  close(openDirectoryPath(folder.path + DEEP));
  assert.throws(() => openDirectoryPath(`${folder.path}${DEEP}/missing${DEEP}`), { code: 'ENOENT' });
  assert.throws(() => open(AT_FDCWD, '/missing', O_RDONLY), { code: 'ENOENT' });
  assert.equal(count(), before);
  shell(folder.path, REMOVE_DEEP);
});
