import { getSystemErrorMessage } from 'node:util';
import { EverfullError, errnoOf } from '../base/mod.ts';

/** Failures that pass by themselves. A failed fsync is none of them, whatever it says: see `FolderStore`. */
const PASSING = new Set(['EAGAIN', 'EINTR', 'EMFILE', 'ENFILE', 'ETIMEDOUT']);

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'Free some space there, or move the repository to a larger disk, and repeat.',
  EDQUOT: 'The disk quota is used up: free some space or have it raised, and repeat.',
  EROFS: 'The file system is mounted read-only, perhaps after a fault: see the system log.',
  EACCES: 'Run as the user that owns the folder, or change its owner or mode.',
  EPERM: 'Run as the user that owns the folder, or change its owner or mode.',
  EIO: 'The disk may be failing: see the system log.',
  ELOOP: 'It is a symbolic link, which the store does not follow.',
  ENOTDIR: 'A file stands where a folder should.',
};

/**
 * The operating error for `cause`, the failure of a system call: 'disk-full' when there was no room,
 * else 'io'. `action` says what could not be done (`put object "config" in "/repository"`). A `cause`
 * that is one already comes back as it is.
 */
export function folderError(action: string, cause: unknown): EverfullError {
  if (cause instanceof EverfullError) return cause;
  const errno = errnoOf(cause);
  if (errno === undefined) throw cause;
  const { errno: number, syscall } = cause as NodeJS.ErrnoException;
  const state = number === undefined ? errno : `${getSystemErrorMessage(number)} (${errno})`;
  const advice = ADVICE[errno];
  return new EverfullError(
    errno === 'ENOSPC' || errno === 'EDQUOT' ? 'disk-full' : 'io',
    `cannot ${action}: ${state}`,
    {
      context: { errno, transient: PASSING.has(errno) && syscall !== 'fsync' },
      ...(advice === undefined ? {} : { advice }),
      cause,
    },
  );
}
