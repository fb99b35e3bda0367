import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  AT_FDCWD,
  close,
  dup,
  fchmod,
  fchown,
  fsync,
  ftruncate,
  futimens,
  geteuid,
  O_CREAT,
  O_RDWR,
  open,
  punchHole,
  read,
  seekData,
  seekHole,
  write,
} from './mod.ts';

const MIB = 2 ** 20;
const TIB = 2 ** 40;

/** A folder with an open file named `file`; both go with it. */
function temporaryFile() {
  const folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-fd-'));
  const fd = open(AT_FDCWD, join(folder.path, 'file'), O_CREAT | O_RDWR, 0o600);
  return {
    fd,
    shell: (script: string): string =>
      execFileSync('bash', ['-ec', script], {
        cwd: folder.path,
        encoding: 'latin1',
        env: { ...process.env, TZ: 'UTC' },
      }),
    [Symbol.dispose]: () => {
      close(fd);
      folder.remove();
    },
  };
}

test('write() and read() take a piece of a buffer and a place in the file', () => {
  using file = temporaryFile();
  write(file.fd, Buffer.from('..hello..'), 2, 5, 3);
  assert.equal(file.shell('od -An -c file | tr -d " \\n"'), '\\0\\0\\0hello');
  const buffer = Buffer.from('_________');
  assert.equal(read(file.fd, buffer, 1, 4, 4), 4);
  assert.equal(buffer.toString(), '_ello____');
  assert.equal(read(file.fd, buffer, 0, 9, 5), 3);
  assert.equal(read(file.fd, buffer, 0, 9, 8), 0);
});

test('a file of 5 TiB is written, read and cut at places above 4 GiB', () => {
  using file = temporaryFile();
  ftruncate(file.fd, 5 * TIB);
  write(file.fd, Buffer.from('far'), 0, 3, 4 * TIB);
  const buffer = Buffer.alloc(3);
  read(file.fd, buffer, 0, 3, 4 * TIB);
  assert.equal(buffer.toString(), 'far');
  assert.equal(file.shell('stat -c %s file'), `${5 * TIB}\n`);
  assert.equal(seekData(file.fd, 0), 4 * TIB);
  assert.equal(seekHole(file.fd, 4 * TIB) > 4 * TIB, true);
  ftruncate(file.fd, 2);
  fsync(file.fd);
  assert.equal(file.shell('stat -c %s file'), '2\n');
});

test('seekData() and seekHole() find what truncate and fallocate left', () => {
  using file = temporaryFile();
  file.shell(`
    truncate -s 4M file
    dd if=/dev/urandom of=file bs=1M count=1 seek=2 conv=notrunc status=none
    sync file`);
  assert.equal(seekData(file.fd, 0), 2 * MIB);
  assert.equal(seekHole(file.fd, 0), 0);
  assert.equal(seekHole(file.fd, 2 * MIB), 3 * MIB);
  assert.equal(seekData(file.fd, 3 * MIB), -1);
  assert.equal(seekHole(file.fd, 4 * MIB), -1);
  assert.throws(() => seekData(-1, 0), { code: 'EBADF', syscall: 'lseek' });
});

test('punchHole() gives space back and keeps the size', () => {
  using file = temporaryFile();
  file.shell('head -c 4M /dev/urandom > file; sync file');
  punchHole(file.fd, MIB, 2 * MIB);
  assert.equal(seekHole(file.fd, 0), MIB);
  assert.equal(seekData(file.fd, MIB), 3 * MIB);
  assert.equal(
    file.shell('stat -c %s file; head -c 3M file | tail -c 2M | tr -d "\\0" | wc -c'),
    `${4 * MIB}\n0\n`,
  );
});

test('futimens() sets the modification time to the nanosecond and leaves the access time', () => {
  using file = temporaryFile();
  file.shell(`touch -a -d '2001-02-03 04:05:06.123456789' file`);
  const cases = [
    [-2_147_483_647, 1, '1901-12-13 20:45:53.000000001'],
    [-1, 999_999_999, '1969-12-31 23:59:59.999999999'],
    [0, 0, '1970-01-01 00:00:00.000000000'],
    [7_258_118_400, 5, '2200-01-01 00:00:00.000000005'],
  ] as const;
  for (const [seconds, nanoseconds, shown] of cases) {
    futimens(file.fd, seconds, nanoseconds);
    assert.equal(file.shell(`stat -c '%y' file`), `${shown} +0000\n`);
    assert.equal(file.shell(`stat -c '%x' file`), '2001-02-03 04:05:06.123456789 +0000\n');
  }
});

test('futimens() refuses the nanoseconds that would mean "now" or "leave it"', () => {
  using file = temporaryFile();
  for (const nanoseconds of [0x3fffffff, 0x3ffffffe, -1, 1_000_000_000, Number.NaN]) {
    assert.throws(() => futimens(file.fd, 0, nanoseconds), { code: 'EINVAL' });
  }
});

test('fchmod() sets all 12 bits', () => {
  using file = temporaryFile();
  fchmod(file.fd, 0o7751);
  assert.equal(file.shell('stat -c %a file'), '7751\n');
});

test('fchown() gives a file away as root, and is refused to a user', () => {
  using file = temporaryFile();
  if (geteuid() === 0) {
    fchown(file.fd, 4_000_000_000, 12345);
    assert.equal(file.shell('stat -c %u:%g file'), '4000000000:12345\n');
  } else {
    assert.throws(() => fchown(file.fd, 0, 0), { code: 'EPERM', syscall: 'fchown' });
  }
});

test('dup() gives a descriptor that outlives the first', () => {
  using file = temporaryFile();
  const first = dup(file.fd);
  const second = dup(first);
  close(first);
  write(second, Buffer.from('x'), 0, 1, 0);
  close(second);
  assert.throws(() => close(second), { code: 'EBADF' });
  assert.equal(file.shell('cat file'), 'x');
});
