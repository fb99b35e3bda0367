import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errnoOf } from '../base/mod.ts';
import { AT_FDCWD, checked, libc } from './libc.ts';
import { pathAddress, secondPathAddress } from './native-path.ts';
import { Errno, errnoName, SystemError } from './system-error.ts';

function errorOfNode(path: string): NodeJS.ErrnoException {
  try {
    readFileSync(path);
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('the path was not to exist');
}

test('SystemError has the shape of the errors that Node throws', () => {
  const theirs = errorOfNode('/no/such/file');
  const ours = new SystemError(Errno.ENOENT, 'open', '/no/such/file');
  assert.equal(ours.code, theirs.code);
  assert.equal(ours.errno, theirs.errno);
  assert.equal(ours.syscall, theirs.syscall);
  assert.equal(ours.path, theirs.path);
  assert.equal(ours.message.toLowerCase(), theirs.message.toLowerCase());
  assert.equal(errnoOf(ours), 'ENOENT');
});

test('SystemError shows a name that is not UTF-8 as text for people', () => {
  assert.equal(new SystemError(Errno.ENOENT, 'statx', 'caf\xc3\xa9 \xff').path, 'café \ufffd');
});

test('errnoName() names what Node has no name for, and agrees with Node on the rest', () => {
  assert.equal(errnoName(117), 'EUCLEAN');
  assert.equal(errnoName(95), 'ENOTSUP');
  assert.equal(errnoName(11), 'EAGAIN');
  assert.equal(errnoName(4000), 'E4000');
});

test('checked() throws the reason that the kernel gave for the call before', () => {
  assert.throws(() => checked(libc.close(-1), 'close'), { code: 'EBADF', syscall: 'close', errno: -9 });
  assert.equal(checked(7, 'openat'), 7);
});

test('pathAddress() refuses what the C library would read as another name', () => {
  assert.throws(() => pathAddress('good\0bad'), { code: 'EINVAL' });
  assert.throws(() => pathAddress('snow \u2603'), { code: 'EINVAL' });
});

test('pathAddress() takes 4095 bytes and no more, as the kernel does', () => {
  assert.throws(() => pathAddress('x'.repeat(4096)), { code: 'ENAMETOOLONG' });
  const longest = `/${'./'.repeat(2047)}`;
  assert.equal(longest.length, 4095);
  const fd = checked(libc.openat(AT_FDCWD, pathAddress(longest), 0, 0), 'openat');
  libc.close(fd);
});

test('two paths of one call do not share a place', () => {
  assert.notEqual(pathAddress('a'), secondPathAddress('b'));
});
