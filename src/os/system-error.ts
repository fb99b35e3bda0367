import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';
import { type ByteString, displayText } from '../base/mod.ts';

// Where a number has two names, Node's is the one that callers compare with.
const errorNames = new Map<number, string>([
  ...Object.entries(koffi.os.errno).map(([name, number]): [number, string] => [number, name]),
  ...Array.from(getSystemErrorMap(), ([number, [name]]): [number, string] => [-number, name]),
]);
const strerror = koffi.load(null).func('strerror', 'str', ['int']) as (errno: number) => string;

/** The numbers of the errors that this folder tells apart; the same on x64 and arm64. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ENXIO: 6,
  E2BIG: 7,
  EINVAL: 22,
  ENOTTY: 25,
  ENAMETOOLONG: 36,
  ENODATA: 61,
  EOPNOTSUPP: 95,
} as const;

/** The name (`ENOENT`) of an error number. */
export function errnoName(errno: number): string {
  return errorNames.get(errno) ?? `E${errno}`;
}

/** A system call that failed, in the shape of Node's own errors, so that callers need one handler for both. */
export class SystemError extends Error {
  /** The name of the error: `ENOENT`. */
  readonly code: string;
  /** The number of the error, negative as in Node's errors. */
  readonly errno: number;
  readonly syscall: string;
  /** The name or path that the call was given, as text for people. */
  readonly path?: string;

  /** `errno` is positive, as the C library has it. */
  constructor(errno: number, syscall: string, path?: ByteString) {
    const code = errnoName(errno);
    const shown = path === undefined ? undefined : displayText(path);
    super(`${code}: ${strerror(errno)}, ${syscall}${shown === undefined ? '' : ` '${shown}'`}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = -errno;
    this.syscall = syscall;
    if (shown !== undefined) this.path = shown;
  }
}
