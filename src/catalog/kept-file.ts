import { closeSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, hexOf } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { CATALOG_FORMAT } from './schema.ts';

const BLOCK_BYTES = 1024 * 1024;

/** What a kept catalog is found to be. */
export type KeptState = 'missing' | 'sound' | 'damaged' | 'of another version';

/**
 * The files of a catalog in a state folder. Whoever uses them holds the lock.
 *
 * `catalog.sqlite` is never flushed; instead `catalog.digest` says what it must be, byte for byte. So a
 * crash in the middle of an update and a flipped bit are noticed alike, and cost a rebuild.
 */
export class KeptFile {
  readonly path: string;
  readonly #digestPath: string;

  constructor(folder: string) {
    this.path = join(folder, 'catalog.sqlite');
    this.#digestPath = join(folder, 'catalog.digest');
  }

  /** Reads the whole file: some 20 ms for an image of 143,000 entries, which the search would read anyway. */
  state(): KeptState {
    const written = this.#seal();
    if (written === undefined) return 'missing';
    let seal: string;
    try {
      seal = readFileSync(this.#digestPath, 'latin1');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 'damaged';
      throw error;
    }
    if (seal === written) return 'sound';
    const format = /^everfull catalog (\d+) /.exec(seal)?.[1];
    return format !== undefined && Number(format) !== CATALOG_FORMAT ? 'of another version' : 'damaged';
  }

  /** Makes an empty file, for the user alone, since it will hold the names of files. */
  create(): void {
    this.remove();
    closeSync(openSync(this.path, 'wx', 0o600));
  }

  /** Says that the file, which is closed, is whole. */
  seal(): void {
    writeFileSync(this.#digestPath, this.#seal()!, { encoding: 'latin1', mode: 0o600 });
  }

  remove(): void {
    for (const path of [
      this.#digestPath,
      this.path,
      `${this.path}-journal`,
      `${this.path}-wal`,
      `${this.path}-shm`,
    ])
      rmSync(path, { force: true });
  }

  /** What the digest file must hold; undefined where there is no file. */
  #seal(): string | undefined {
    let fd: number;
    try {
      fd = openSync(this.path, 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const digests: Buffer[] = [];
      const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      for (let length = readSync(fd, block); length > 0; length = readSync(fd, block))
        digests.push(digest(block.subarray(0, length)));
      return `everfull catalog ${CATALOG_FORMAT} ${hexOf(digest(...digests))}\n`;
    } finally {
      closeSync(fd);
    }
  }
}
