import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, messageOf, type Row } from '../bench.ts';
import { Dice, randomText } from '../content.ts';
import { CommandFailed } from '../measure.ts';
import { atMost, below, median } from '../report.ts';
import { overwrite, remove } from '../workspace.ts';

const BLOCK = 4096;
const EXTENT = 2 ** 20;
const BLOCKS_PER_EXTENT = EXTENT / BLOCK;
/** Blocks that each image after the first overwrites. */
const OVERWRITES = 100;

interface ReadSummary {
  /** Frames fetched to answer: of data, and of nodes of the two trees. */
  readonly frames_read: { readonly chunks: number; readonly nodes: number };
}

/** 4 KiB of data at a random place of a long sparse file, out of the oldest and the newest of many images. */
export const randomReadRow: Row = {
  name: 'random-read',
  title: '4 KiB at a random place of a 100 GiB sparse file',
  async run(bench) {
    const { everfull, scale } = bench;
    const file = new SparseFile(join(bench.workspace.emptyFolder('sparse'), 'file'), bench);
    const at = await bench.newRepository(everfull, 'sparse');
    const backups: number[] = [];
    for (let image = 0; image < scale.sparseImages; image++) {
      if (image > 0) file.overwrite(image);
      backups.push((await bench.run(everfull.backup(at, file.path))).ms);
    }
    const start = await bench.startMs();
    const open = await bench.openMs(at);
    const dice = new Dice('reads');
    const lines = [];
    for (const image of [0, scale.sparseImages - 1]) {
      const name = await bench.imageName(everfull, at, scale.sparseImages - 1 - image);
      const reads = [];
      for (let read = 0; read < scale.reads; read++) {
        const offset = file.randomOffset(dice);
        const run = await bench.run(everfull.readRange(at, name, file.path, offset, BLOCK));
        if (!run.stdout.equals(file.expected(image, offset))) {
          throw new CommandFailed(
            `Could not read ${BLOCK} bytes at ${offset} of image ${image + 1}: other bytes came`,
          );
        }
        const frames = messageOf<ReadSummary>(run.stderr, 'summary')?.frames_read;
        if (frames === undefined)
          throw new CommandFailed('Could not count frames: no "frames_read" on standard error');
        reads.push({ ms: run.ms, frames });
      }
      const time = median(reads.map((read) => read.ms));
      const most = Math.max(...reads.map((read) => read.frames.chunks));
      const nodes = Math.max(...reads.map((read) => read.frames.nodes));
      const label = `image ${image + 1} of ${scale.sparseImages}`;
      lines.push(
        {
          label: `${label}, time`,
          unit: 'ms' as const,
          values: { everfull: time },
          floors: [below(time - open, 50, 'ms', ' + start-up and opening')],
        },
        {
          label: `${label}, most content frames read`,
          unit: 'count' as const,
          values: { everfull: most },
          floors: [atMost(most, 2, 'count')],
        },
        {
          label: `${label}, most nodes read`,
          unit: 'count' as const,
          values: { everfull: nodes },
          floors: [],
        },
      );
    }
    remove(file.path);
    remove(at.store);
    return {
      lines: [
        { label: 'start-up (`version`)', unit: 'ms', values: { everfull: start }, floors: [] },
        { label: 'start-up and opening (`key list`)', unit: 'ms', values: { everfull: open }, floors: [] },
        ...lines,
        { label: 'backup, first', unit: 'ms', values: { everfull: backups[0]! }, floors: [] },
        ...(backups.length < 2
          ? []
          : [
              {
                label: `backup with ${OVERWRITES} blocks overwritten`,
                unit: 'ms' as const,
                values: { everfull: median(backups.slice(1)) },
                floors: [],
              },
            ]),
      ],
    };
  },
};

/** Extents of 1 MiB of random data at random places of a hole, and what each image's overwrites did to them. */
class SparseFile {
  readonly path: string;
  readonly #extents: number[];
  /** By block offset: the images that overwrote it, in order. */
  readonly #overwritten = new Map<number, number[]>();

  constructor(path: string, { scale }: Bench) {
    this.path = path;
    const slots = Array.from({ length: scale.sparseBytes / EXTENT }, (_, slot) => slot * EXTENT);
    this.#extents = new Dice('extents').pick(slots, scale.sparseDataBytes / EXTENT);
    writeFileSync(path, '');
    truncateSync(path, scale.sparseBytes);
    overwrite(
      path,
      this.#extents.map((offset) => [offset, randomText('sparse 0', offset, EXTENT)] as const),
    );
  }

  randomOffset(dice: Dice): number {
    const extent = this.#extents[dice.below(this.#extents.length)]!;
    return extent + dice.below(BLOCKS_PER_EXTENT) * BLOCK;
  }

  overwrite(image: number): void {
    const dice = new Dice(`sparse overwrites ${image}`);
    const offsets = new Set(Array.from({ length: OVERWRITES }, () => this.randomOffset(dice)));
    for (const offset of offsets) {
      this.#overwritten.set(offset, [...(this.#overwritten.get(offset) ?? []), image]);
    }
    overwrite(
      this.path,
      [...offsets].map((offset) => [offset, randomText(`sparse ${image}`, offset, BLOCK)] as const),
    );
  }

  /** The block at `offset` as `image` (from 0) holds it. */
  expected(image: number, offset: number): Buffer {
    const writer = this.#overwritten.get(offset)?.findLast((at) => at <= image) ?? 0;
    return randomText(`sparse ${writer}`, offset, BLOCK);
  }
}
