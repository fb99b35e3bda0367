import type { ByteString } from '../base/mod.ts';
import { allocateNative } from './memory.ts';
import { Errno, SystemError } from './system-error.ts';

/** Most bytes of a path that one system call takes, its final NUL included. */
export const PATH_BYTES_MAX = 4096;

const first = allocateNative(PATH_BYTES_MAX);
const second = allocateNative(PATH_BYTES_MAX);

/**
 * The address of `path` as a C string, valid until the next call: the calls are synchronous, so one
 * place serves all of them.
 * Throws EINVAL for what C would cut short or what is no byte string, ENAMETOOLONG for a path that no
 * call takes.
 */
export function pathAddress(path: ByteString): number {
  writePath(path, first.buffer);
  return first.address;
}

/** The same in a place of its own, for calls that take two paths. */
export function secondPathAddress(path: ByteString): number {
  writePath(path, second.buffer);
  return second.address;
}

function writePath(path: ByteString, target: Buffer): void {
  const { length } = path;
  if (length >= PATH_BYTES_MAX) throw new SystemError(Errno.ENAMETOOLONG, 'path', path);
  for (let i = 0; i < length; i++) {
    const byte = path.charCodeAt(i);
    if (byte === 0 || byte > 255) throw new SystemError(Errno.EINVAL, 'path', path);
    target[i] = byte;
  }
  target[length] = 0;
}
