import { allocateNative } from './memory.ts';
import { Errno, SystemError } from './system-error.ts';

const UTIME_OMIT = 0x3fffffff - 1;
const NANOSECONDS_MAX = 999_999_999;

// Two `struct timespec`, access time first: seconds s64, nanoseconds s64.
const times = allocateNative(32);
const words = new Int32Array(times.buffer.buffer);
words[2] = UTIME_OMIT;

/**
 * The address of the times that leave the access time alone and set the modification time; valid until
 * the next call. Throws EINVAL for nanoseconds out of range, since two such numbers have a meaning of
 * their own to the kernel.
 */
export function timesAddress(seconds: number, nanoseconds: number): number {
  if (!(nanoseconds >= 0 && nanoseconds <= NANOSECONDS_MAX)) throw new SystemError(Errno.EINVAL, 'utimensat');
  words[4] = seconds;
  words[5] = Math.floor(seconds / 0x1_0000_0000);
  words[6] = nanoseconds;
  return times.address;
}
