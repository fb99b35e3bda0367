import { readlinkSync, realpathSync } from 'node:fs';
import { posix } from 'node:path';
import { type ByteString, byteStringFromText, bytesOf, errnoOf } from '../../base/mod.ts';

/** `path` made absolute against the working folder, without `.`, `..` and doubled slashes. */
export function absoluteFrom(path: ByteString): ByteString {
  if (path.startsWith('/')) return posix.resolve(path);
  return posix.resolve(readlinkSync('/proc/self/cwd', { encoding: 'latin1' }), path);
}

/** What `paths` name, each as it is written and as it is reached without symbolic links: a walk may come by either. */
export function bothSpellings(paths: readonly string[]): ByteString[] {
  const spellings = new Set<ByteString>();
  for (const path of paths.map((path) => absoluteFrom(byteStringFromText(path)))) {
    spellings.add(path);
    try {
      spellings.add(realpathSync(bytesOf(path), { encoding: 'latin1' }));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return [...spellings];
}
