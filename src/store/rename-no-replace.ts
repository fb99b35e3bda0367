import { type ByteString, bytesOf, EverfullError } from '../base/mod.ts';

interface RenameAt {
  async(
    fromFolder: number,
    from: Uint8Array,
    toFolder: number,
    to: Uint8Array,
    flags: number,
    done: (error: unknown, result: number) => void,
  ): void;
}

/** The calling process's working folder, as `renameat2(2)` writes it. */
const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;
/** How a file system says that it does not know the flag. */
const FLAG_UNKNOWN = ['EINVAL', 'ENOSYS'];

/**
 * Renames `from` to `to` in one step that fails with EEXIST when `to` exists (`renameat2(2)`). Rejects
 * with 'unsupported' where the file system or the C library cannot do that.
 */
export async function renameNoReplace(from: ByteString, to: ByteString): Promise<void> {
  // Loaded on first use: only file systems without hard links come here.
  const [{ default: koffi }, { SystemError }] = await Promise.all([import('koffi'), import('../os/mod.ts')]);
  let renameat2: RenameAt;
  try {
    renameat2 = koffi
      .load(null)
      .func('int renameat2(int, const uint8_t *, int, const uint8_t *, unsigned int)') as unknown as RenameAt;
  } catch (cause) {
    throw unsupported(cause);
  }
  await new Promise<void>((resolve, reject) => {
    renameat2.async(AT_FDCWD, cString(from), AT_FDCWD, cString(to), RENAME_NOREPLACE, (failure, result) => {
      if (failure) return reject(failure);
      if (result === 0) return resolve();
      const error = new SystemError(koffi.errno(), 'renameat2', to);
      reject(FLAG_UNKNOWN.includes(error.code) ? unsupported(error) : error);
    });
  });
}

function unsupported(cause: unknown): EverfullError {
  return new EverfullError('unsupported', 'cannot rename without replacing: the system does not offer it', {
    advice: 'Keep the repository on a file system that has hard links.',
    cause,
  });
}

function cString(path: ByteString): Buffer {
  return bytesOf(`${path}\0`);
}
