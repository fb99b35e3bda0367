import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../base/mod.ts';

/** Cache Directory Tagging Specification: what this program and others leave out of backups. */
const TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This folder was made by everfull. It can be removed at any time: it costs time only.
`;

/**
 * The folder for what is kept on this machine for one repository, made where it is missing; only its
 * owner may look into it, since it names files.
 *
 * @param repositoryId 32 hexadecimal digits
 */
export function makeStateFolder(cacheFolder: string, repositoryId: string): string {
  const folder = join(cacheFolder, repositoryId);
  mkdirSync(cacheFolder, { recursive: true, mode: 0o700 });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(join(cacheFolder, 'CACHEDIR.TAG'), TAG, { flag: 'wx' });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return folder;
}
