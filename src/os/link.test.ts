import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  AT_FDCWD,
  close,
  fchmodAt,
  fchownAt,
  geteuid,
  linkAt,
  mkdirAt,
  mknodAt,
  openDirectory,
  readlinkAt,
  renameAt,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
  symlinkAt,
  unlinkAt,
  utimensAt,
} from './mod.ts';

/** An open folder, and a shell in it. */
function temporaryFolder() {
  const folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-link-'));
  const dirfd = openDirectory(AT_FDCWD, folder.path);
  return {
    dirfd,
    shell: (script: string): string =>
      execFileSync('bash', ['-ec', script], {
        cwd: folder.path,
        encoding: 'latin1',
        env: { ...process.env, TZ: 'UTC' },
      }),
    [Symbol.dispose]: () => {
      close(dirfd);
      folder.remove();
    },
  };
}

test('symlinkAt() and readlinkAt() keep every byte of name and contents', () => {
  using folder = temporaryFolder();
  symlinkAt('to\xff\n here ', folder.dirfd, 'na\xfeme');
  assert.equal(folder.shell(`readlink -n $'na\\xfeme'`), 'to\xff\n here ');
  folder.shell(`ln -s "$(printf 'x%.0s' {1..4095})" long; ln -s $'\\xff' odd; touch file`);
  assert.equal(readlinkAt(folder.dirfd, 'long'), 'x'.repeat(4095));
  assert.equal(readlinkAt(folder.dirfd, 'odd'), '\xff');
  assert.throws(() => readlinkAt(folder.dirfd, 'file'), { code: 'EINVAL', syscall: 'readlinkat' });
  assert.throws(() => readlinkAt(folder.dirfd, 'missing'), { code: 'ENOENT', path: 'missing' });
});

test('symlinkAt() does not replace what is there', () => {
  using folder = temporaryFolder();
  folder.shell('touch file');
  assert.throws(() => symlinkAt('target', folder.dirfd, 'file'), { code: 'EEXIST', path: 'file' });
});

test('linkAt() links a symlink itself, not what it points to', () => {
  using folder = temporaryFolder();
  folder.shell('echo x > file; ln -s file symlink; mkdir sub');
  const sub = openDirectory(folder.dirfd, 'sub');
  linkAt(folder.dirfd, 'symlink', sub, 'again');
  linkAt(folder.dirfd, 'file', sub, 'file');
  close(sub);
  assert.equal(folder.shell(`stat -c '%h %F' sub/again sub/file`), '2 symbolic link\n2 regular file\n');
  assert.equal(folder.shell('find . -samefile file | sort'), './file\n./sub/file\n');
});

test('mkdirAt() makes a folder with the bits that the umask lets through', () => {
  using folder = temporaryFolder();
  mkdirAt(folder.dirfd, 'new\xff', 0o700);
  assert.equal(folder.shell(`stat -c '%a %F' new*`), '700 directory\n');
  assert.throws(() => mkdirAt(folder.dirfd, 'new\xff', 0o700), { code: 'EEXIST' });
});

test('mknodAt() makes FIFOs and sockets', () => {
  using folder = temporaryFolder();
  mknodAt(folder.dirfd, 'fifo', S_IFIFO | 0o600);
  mknodAt(folder.dirfd, 'socket', S_IFSOCK | 0o600);
  assert.equal(folder.shell(`stat -c '%a %F' fifo socket`), '600 fifo\n600 socket\n');
});

test('mknodAt() makes devices with large numbers as root, and is refused to a user', () => {
  using folder = temporaryFolder();
  const make = (name: string, type: number, major: number, minor: number): void =>
    mknodAt(folder.dirfd, name, type | 0o600, { major, minor });
  if (geteuid() === 0) {
    make('null', S_IFCHR, 1, 3);
    make('disk', S_IFBLK, 4095, 1_048_575);
    make('odd', S_IFBLK, 259, 0x12345);
    const expected =
      '1:3 character special file\n4095:1048575 block special file\n259:74565 block special file\n';
    assert.equal(folder.shell(`stat -c '%Hr:%Lr %F' null disk odd`), expected);
  } else {
    assert.throws(() => make('null', S_IFCHR, 1, 3), { code: 'EPERM', syscall: 'mknodat' });
  }
  assert.throws(() => make('large', S_IFCHR, 4096, 0), { code: 'EINVAL' });
  assert.throws(() => make('large', S_IFCHR, 0, 0x100000), { code: 'EINVAL' });
});

test('unlinkAt() removes a symlink itself, and folders only when told so', () => {
  using folder = temporaryFolder();
  folder.shell('mkdir sub; touch file; ln -s file symlink');
  unlinkAt(folder.dirfd, 'symlink');
  assert.throws(() => unlinkAt(folder.dirfd, 'sub'), { code: 'EISDIR' });
  assert.throws(() => unlinkAt(folder.dirfd, 'file', { directory: true }), { code: 'ENOTDIR' });
  unlinkAt(folder.dirfd, 'sub', { directory: true });
  assert.equal(folder.shell('ls'), 'file\n');
  assert.throws(() => unlinkAt(folder.dirfd, 'symlink'), { code: 'ENOENT' });
});

test('renameAt() moves over what is there', () => {
  using folder = temporaryFolder();
  folder.shell('echo new > temporary; echo old > name');
  renameAt(folder.dirfd, 'temporary', folder.dirfd, 'name');
  assert.equal(folder.shell('cat *'), 'new\n');
});

test('utimensAt() sets the time of a symlink itself', () => {
  using folder = temporaryFolder();
  folder.shell(`touch -d '2001-01-01' file; ln -s file symlink`);
  utimensAt(folder.dirfd, 'symlink', -5, 7);
  const expected = '1969-12-31 23:59:55.000000007 +0000\n2001-01-01 00:00:00.000000000 +0000\n';
  assert.equal(folder.shell('stat -c %y symlink file'), expected);
});

test('fchmodAt() sets all 12 bits and does not reach through a symlink', () => {
  using folder = temporaryFolder();
  folder.shell('touch file; chmod 600 file; ln -s file symlink; mkfifo fifo');
  fchmodAt(folder.dirfd, 'fifo', 0o4751);
  assert.throws(() => fchmodAt(folder.dirfd, 'symlink', 0o777), { code: 'ENOTSUP' });
  assert.equal(folder.shell('stat -c %a fifo file'), '4751\n600\n');
});

test('fchownAt() gives a symlink itself away as root, and is refused to a user', () => {
  using folder = temporaryFolder();
  folder.shell('touch file; ln -s file symlink');
  if (geteuid() === 0) {
    fchownAt(folder.dirfd, 'symlink', 123, 456);
    assert.equal(folder.shell('stat -c %u:%g symlink file'), '123:456\n0:0\n');
  } else {
    assert.throws(() => fchownAt(folder.dirfd, 'symlink', 0, 0), { code: 'EPERM' });
  }
});
