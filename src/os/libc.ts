import koffi from 'koffi';
import type { ByteString } from '../base/mod.ts';
import { SystemError } from './system-error.ts';

type NativeFunction = (...values: number[]) => number;

// The C library that Node itself runs on, whatever its file is called: glibc and musl alike.
const library = koffi.load(null);

/**
 * A function of the C library. `address` stands for any pointer, given as a number.
 * Variadic functions (`openat`, `ioctl`, `fcntl`) may be declared like others: on Linux x64 and arm64
 * integers travel in the same registers either way.
 */
function declare(name: string, result: 'int' | 'int64', parameters: readonly string[]): NativeFunction {
  return library.func(
    name,
    result,
    parameters.map((type) => (type === 'address' ? 'uint64' : type)),
  ) as unknown as NativeFunction;
}

/** musl exports only the short name to `dlsym`; the structure is the 64-bit one in both. */
function declareGetdents(): NativeFunction {
  const parameters = ['int', 'address', 'uint64'];
  try {
    return declare('getdents64', 'int64', parameters);
  } catch {
    return declare('getdents', 'int64', parameters);
  }
}

export const libc = {
  close: declare('close', 'int', ['int']),
  fallocate: declare('fallocate', 'int', ['int', 'int', 'int64', 'int64']),
  fchmodat: declare('fchmodat', 'int', ['int', 'address', 'uint32', 'int']),
  fchownat: declare('fchownat', 'int', ['int', 'address', 'uint32', 'uint32', 'int']),
  fcntl: declare('fcntl', 'int', ['int', 'int', 'int64']),
  fgetxattr: declare('fgetxattr', 'int64', ['int', 'address', 'address', 'uint64']),
  flistxattr: declare('flistxattr', 'int64', ['int', 'address', 'uint64']),
  fremovexattr: declare('fremovexattr', 'int', ['int', 'address']),
  fsetxattr: declare('fsetxattr', 'int', ['int', 'address', 'address', 'uint64', 'int']),
  futimens: declare('futimens', 'int', ['int', 'address']),
  getdents: declareGetdents(),
  ioctl: declare('ioctl', 'int', ['int', 'uint64', 'address']),
  lgetxattr: declare('lgetxattr', 'int64', ['address', 'address', 'address', 'uint64']),
  linkat: declare('linkat', 'int', ['int', 'address', 'int', 'address', 'int']),
  llistxattr: declare('llistxattr', 'int64', ['address', 'address', 'uint64']),
  lremovexattr: declare('lremovexattr', 'int', ['address', 'address']),
  lseek: declare('lseek', 'int64', ['int', 'int64', 'int']),
  lsetxattr: declare('lsetxattr', 'int', ['address', 'address', 'address', 'uint64', 'int']),
  mkdirat: declare('mkdirat', 'int', ['int', 'address', 'uint32']),
  mknodat: declare('mknodat', 'int', ['int', 'address', 'uint32', 'uint64']),
  openat: declare('openat', 'int', ['int', 'address', 'int', 'uint32']),
  readlinkat: declare('readlinkat', 'int64', ['int', 'address', 'address', 'uint64']),
  renameat: declare('renameat', 'int', ['int', 'address', 'int', 'address']),
  statx: declare('statx', 'int', ['int', 'address', 'int', 'uint32', 'address']),
  symlinkat: declare('symlinkat', 'int', ['address', 'int', 'address']),
  unlinkat: declare('unlinkat', 'int', ['int', 'address', 'int']),
  utimensat: declare('utimensat', 'int', ['int', 'address', 'address', 'int']),
} as const;

/** Error number of the call before; must be asked at once, since any other call may change it. */
export function lastErrno(): number {
  return koffi.errno();
}

/** `result`, unless it says that the call failed. */
export function checked(result: number, syscall: string, path?: ByteString): number {
  if (result < 0) throw new SystemError(lastErrno(), syscall, path);
  return result;
}

// Flags of the `*at` calls; the same on x64 and arm64, unlike some of O_*.
/** Stands for the current folder where a folder's descriptor is asked for. */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
