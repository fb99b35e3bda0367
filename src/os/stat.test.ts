import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempDisposableSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD, close, mknodAt, O_RDONLY, open } from './mod.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK, StatBuffer } from './stat.ts';

function temporaryFolder() {
  return mkdtempDisposableSync(join(tmpdir(), 'everfull-stat-'));
}

function shell(folder: string, script: string): string {
  return execFileSync('bash', ['-ec', script], {
    cwd: folder,
    encoding: 'latin1',
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' },
  });
}

/** All that stat(1) and StatBuffer both tell, in one line of stat(1)'s words. */
const JUDGE_FORMAT = '%f %u %g %h %s %i %b %Hd:%Ld %Hr:%Lr';

function inWordsOfTheJudge(stat: StatBuffer): string {
  const { type, mode, uid, gid, nlink, size, inode, blocks } = stat;
  const devices = `${stat.deviceMajor}:${stat.deviceMinor} ${stat.rdevMajor}:${stat.rdevMinor}`;
  return `${(type | mode).toString(16)} ${uid} ${gid} ${nlink} ${size} ${inode} ${blocks} ${devices}`;
}

const MAKE_EVERY_TYPE = `
  echo hello > file; chmod 4751 file; ln file second
  truncate -s 5T sparse
  mkdir folder; chmod 1777 folder
  ln -s nowhere symlink
  mkfifo fifo
`;

test('StatBuffer agrees with stat(1) on every type of inode', () => {
  using folder = temporaryFolder();
  shell(folder.path, MAKE_EVERY_TYPE);
  mknodAt(AT_FDCWD, join(folder.path, 'socket'), S_IFSOCK | 0o600);
  const stat = new StatBuffer();
  const types = {
    file: S_IFREG,
    sparse: S_IFREG,
    folder: S_IFDIR,
    symlink: S_IFLNK,
    fifo: S_IFIFO,
    socket: S_IFSOCK,
  };
  for (const [name, type] of Object.entries(types)) {
    assert.equal(stat.at(AT_FDCWD, join(folder.path, name)), true);
    assert.equal(stat.type, type, name);
    assert.equal(
      inWordsOfTheJudge(stat),
      shell(folder.path, `stat --printf '${JUDGE_FORMAT}' ${name}`),
      name,
    );
  }
});

test('StatBuffer agrees with stat(1) on devices', () => {
  const stat = new StatBuffer();
  assert.equal(stat.at(AT_FDCWD, '/dev/null'), true);
  assert.equal(stat.type, S_IFCHR);
  assert.deepEqual([stat.rdevMajor, stat.rdevMinor], [1, 3]);
  assert.equal(inWordsOfTheJudge(stat), shell('/', `stat --printf '${JUDGE_FORMAT}' /dev/null`));
  assert.notEqual(stat.type, S_IFBLK);
});

test('StatBuffer tells times to the nanosecond, before 1970 too', () => {
  using folder = temporaryFolder();
  const stat = new StatBuffer();
  const times = [
    '1901-12-15 00:00:00.000000001',
    '1969-12-31 23:59:59.999999999',
    '1970-01-01',
    '2200-02-03 04:05:06.7',
  ];
  for (const time of times) {
    shell(folder.path, `touch -d '${time}' file`);
    assert.equal(stat.at(AT_FDCWD, join(folder.path, 'file')), true);
    // stat(1) rounds %Y to whole seconds downwards, as the kernel counts them.
    const [mtime, mtimeFraction, ctime, ctimeFraction] = shell(
      folder.path,
      `stat --printf '%Y %y|%Z %z' file`,
    )
      .split('|')
      .flatMap((text) => [Number(text.split(' ')[0]), Number(/\.(\d{9})/.exec(text)![1])]);
    assert.deepEqual([stat.mtimeSeconds, stat.mtimeNanoseconds], [mtime, mtimeFraction], time);
    assert.deepEqual([stat.ctimeSeconds, stat.ctimeNanoseconds], [ctime, ctimeFraction], time);
  }
});

test('at() finds names of any bytes and says false only when there is no such name', () => {
  using folder = temporaryFolder();
  shell(folder.path, `touch $'new\\nline' $'not\\xffutf8' -- -dash; touch file`);
  const dirfd = openSync(folder.path, 'r');
  const stat = new StatBuffer();
  for (const name of ['new\nline', 'not\xffutf8', '-dash']) assert.equal(stat.at(dirfd, name), true, name);
  assert.equal(stat.at(dirfd, 'missing'), false);
  assert.equal(stat.at(dirfd, 'not\xfeutf8'), false);
  assert.throws(() => stat.at(dirfd, 'file/below'), {
    code: 'ENOTDIR',
    path: 'file/below',
    syscall: 'statx',
  });
  assert.throws(() => stat.at(dirfd, 'x'.repeat(256)), { code: 'ENAMETOOLONG' });
  closeSync(dirfd);
});

test('fd() looks at an open file whose name is gone', () => {
  using folder = temporaryFolder();
  shell(folder.path, 'echo hello > file');
  const fd = open(AT_FDCWD, join(folder.path, 'file'), O_RDONLY);
  shell(folder.path, 'rm file');
  const stat = new StatBuffer();
  stat.fd(fd);
  assert.deepEqual([stat.size, stat.nlink, stat.type], [6, 0, S_IFREG]);
  close(fd);
  assert.throws(() => stat.fd(-1), { code: 'EBADF' });
});

test('words shows the same structure as the getters, and two buffers do not share it', () => {
  const [root, device] = [new StatBuffer(), new StatBuffer()];
  root.at(AT_FDCWD, '/');
  device.at(AT_FDCWD, '/dev/null');
  assert.equal(root.words.length, 64);
  assert.deepEqual([root.words[8], root.words[9]], [root.inodeLow, root.inodeHigh]);
  assert.deepEqual([device.words[32], device.words[33]], [1, 3]);
  assert.equal(root.type, S_IFDIR);
});
