import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { bytesFromHex, errnoOf, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { verifiedPacksRecord } from '../format/mod.ts';
import type { VerifiedPacks } from '../repository/mod.ts';

const FILE = 'verified';
/** Written so often while the work goes on: a killed verification loses no more. */
const KEPT_EVERY = 64;

/** When this machine found which pack sound, in the file `verified` of a state folder. */
export class VerifiedPacksFile implements VerifiedPacks {
  readonly #path: string;
  readonly #times = new Map<string, number>();
  readonly #notice: (message: string) => void;
  #unkept = 0;
  #isWritable = true;

  /** @param notice told that the file cannot be written: then all is verified anew the next time */
  constructor(stateFolder: string, notice: (message: string) => void) {
    this.#path = `${stateFolder}/${FILE}`;
    this.#notice = notice;
    try {
      const { packs } = verifiedPacksRecord.decode(readFileSync(this.#path), digest);
      for (const { pack, verified } of packs) this.#times.set(hexOf(pack), verified);
    } catch (error) {
      if (errnoOf(error) === undefined && !isEverfullError(error, 'damaged', 'repository-newer')) throw error;
    }
  }

  at(pack: string): number | undefined {
    return this.#times.get(pack);
  }

  note(pack: string, time: number): void {
    this.#times.set(pack, time);
    if (++this.#unkept >= KEPT_EVERY) this.keep();
  }

  retain(packs: ReadonlyMap<string, unknown>): void {
    for (const pack of this.#times.keys()) if (!packs.has(pack)) this.#times.delete(pack);
  }

  keep(): void {
    if (!this.#isWritable) return;
    this.#unkept = 0;
    const packs = [...this.#times].map(([pack, verified]) => ({ pack: bytesFromHex(pack), verified }));
    try {
      writeFileSync(`${this.#path}.new`, verifiedPacksRecord.encode({ packs }, digest), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      if (errnoOf(error) === undefined && !isEverfullError(error, 'limit')) throw error;
      this.#isWritable = false;
      this.#notice(
        `What was verified could not be kept, so it is verified anew: ${(error as Error).message}`,
      );
    }
  }
}
