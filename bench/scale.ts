/** The sizes of a run: the issue's own, or small ones that prove that every row still works. */
export interface Scale {
  readonly name: 'full' | 'tiny';
  /** Measured runs of each tool; the median counts. */
  readonly rounds: number;
  /** Runs of a bare start, which is short and scatters. */
  readonly starts: number;
  readonly changedFiles: number;
  readonly longFileBytes: number;
  readonly overwrites: number;
  /** Images that `find` searches. */
  readonly images: number;
  readonly sparseBytes: number;
  readonly sparseDataBytes: number;
  readonly sparseImages: number;
  /** Random reads in each of the two images. */
  readonly reads: number;
  readonly smallFiles: number;
  /** Files of which a part changes again and again, and how often. */
  readonly churnFiles: number;
  readonly churnRounds: number;
  /** Chunks of the repository that is pruned. */
  readonly pruneChunks: number;
  /** Images of which `forget` chooses. */
  readonly keptImages: number;
}

const MiB = 2 ** 20;
const GiB = 2 ** 30;

export const FULL_SCALE: Scale = {
  name: 'full',
  rounds: 3,
  starts: 11,
  changedFiles: 100,
  longFileBytes: GiB,
  overwrites: 1000,
  images: 100,
  sparseBytes: 100 * GiB,
  sparseDataBytes: GiB,
  sparseImages: 50,
  reads: 21,
  smallFiles: 1_000_000,
  churnFiles: 20_000,
  churnRounds: 30,
  pruneChunks: 1_000_000,
  keptImages: 10_000,
};

export const TINY_SCALE: Scale = {
  name: 'tiny',
  rounds: 1,
  starts: 1,
  changedFiles: 4,
  longFileBytes: 8 * MiB,
  overwrites: 8,
  images: 7,
  sparseBytes: GiB,
  sparseDataBytes: 4 * MiB,
  sparseImages: 3,
  reads: 2,
  smallFiles: 300,
  churnFiles: 200,
  churnRounds: 3,
  pruneChunks: 1000,
  keptImages: 60,
};
