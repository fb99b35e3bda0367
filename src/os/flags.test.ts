import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempDisposableSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  AT_FDCWD,
  close,
  geteuid,
  getInodeFlags,
  hostName,
  InodeFlag,
  openDirectory,
  openFile,
  RESTORABLE_FLAGS,
  setInodeFlags,
} from './mod.ts';

/** A folder with an open file named `file`, and a shell in it. */
function temporaryFile() {
  const folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-flags-'));
  const shell = (script: string): string =>
    execFileSync('bash', ['-ec', script], { cwd: folder.path, encoding: 'latin1' });
  shell('echo x > file');
  const fd = openFile(AT_FDCWD, join(folder.path, 'file'));
  return {
    fd,
    path: folder.path,
    shell,
    /** The letters that lsattr shows for `file`. */
    letters: (): string => shell('lsattr file').split(' ')[0].replaceAll('-', ''),
    [Symbol.dispose]: () => {
      setInodeFlags(fd, 0);
      close(fd);
      folder.remove();
    },
  };
}

test('getInodeFlags() sees what chattr set', () => {
  using file = temporaryFile();
  assert.equal(getInodeFlags(file.fd) & RESTORABLE_FLAGS, 0);
  file.shell('chattr +dA file');
  assert.equal(getInodeFlags(file.fd) & RESTORABLE_FLAGS, InodeFlag.NODUMP | InodeFlag.NOATIME);
});

test('setInodeFlags() sets what lsattr shows, and leaves alone how the file is stored', () => {
  using file = temporaryFile();
  const layout = file.letters();
  setInodeFlags(file.fd, InodeFlag.NODUMP | InodeFlag.SYNC);
  assert.deepEqual([...file.letters()].sort(), [...`Sd${layout}`].sort());
  setInodeFlags(file.fd, InodeFlag.NOATIME | 0x1000);
  assert.deepEqual([...file.letters()].sort(), [...`A${layout}`].sort());
  setInodeFlags(file.fd, 0);
  assert.equal(file.letters(), layout);
});

test('setInodeFlags() makes a file immutable as root, and is refused to a user', () => {
  using file = temporaryFile();
  if (geteuid() === 0) {
    setInodeFlags(file.fd, InodeFlag.IMMUTABLE);
    assert.equal(file.letters().includes('i'), true);
    assert.equal(file.shell('echo y > file || echo refused').endsWith('refused\n'), true);
  } else {
    assert.throws(() => setInodeFlags(file.fd, InodeFlag.IMMUTABLE), { code: 'EPERM' });
  }
});

test('folders have flags too', () => {
  using file = temporaryFile();
  const fd = openDirectory(AT_FDCWD, file.path);
  setInodeFlags(fd, InodeFlag.DIRSYNC);
  assert.match(file.shell('lsattr -d .'), /^-*D/);
  assert.equal(getInodeFlags(fd) & RESTORABLE_FLAGS, InodeFlag.DIRSYNC);
  setInodeFlags(fd, 0);
  close(fd);
});

test('a file system without flags has none set', () => {
  const fd = openFile(AT_FDCWD, '/proc/self/status');
  assert.equal(getInodeFlags(fd), 0);
  setInodeFlags(fd, 0);
  assert.throws(() => setInodeFlags(fd, InodeFlag.NODUMP), { code: 'ENOTTY' });
  close(fd);
  assert.throws(() => getInodeFlags(-1), { code: 'EBADF' });
});

test('hostName() is the name that uname tells', () => {
  assert.equal(hostName(), execFileSync('uname', ['-n'], { encoding: 'utf8' }).trim());
  assert.equal(hostName(), hostname());
});

test('geteuid() is the user that id tells', () => {
  assert.equal(geteuid(), Number(execFileSync('id', ['-u'], { encoding: 'utf8' })));
});
