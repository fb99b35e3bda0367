import type { FileHandle } from 'node:fs/promises';
import { errnoOf } from '../base/mod.ts';

/** Below this the page cache is no burden. */
const DIRECT_BYTES_MIN = 1024 * 1024;

/**
 * Writes the whole blocks of `bytes` at the file's position past the page cache, where memory, position
 * and file system allow. How many bytes; undefined if nothing was written, and the usual way is to be tried.
 *
 * A pack is written once and not read soon. Through the cache it costs a copy and a page of memory for
 * each 4 KiB, and drives out what the machine's own programs keep there.
 * docs/decisions/0022-direct-writes.md
 */
export async function writeDirectly(handle: FileHandle, bytes: Uint8Array): Promise<number | undefined> {
  if (bytes.length < DIRECT_BYTES_MIN) return undefined;
  const { DIRECT_BLOCK_BYTES, isAligned, setDirect } = await import('../os/mod.ts');
  if (!isAligned(bytes) || !setDirect(handle.fd, true)) return undefined;
  try {
    const length = bytes.length - (bytes.length % DIRECT_BLOCK_BYTES);
    const { bytesWritten } = await handle.write(bytes, 0, length);
    return bytesWritten === 0 ? undefined : bytesWritten;
  } catch (error) {
    // How a file system says that it wants other blocks, or a position that is a multiple of one.
    if (errnoOf(error) !== 'EINVAL') throw error;
    return undefined;
  } finally {
    setDirect(handle.fd, false);
  }
}
