import { basename } from 'node:path';
import type { Row } from '../bench.ts';
import { Dice } from '../content.ts';
import { CommandFailed, type Run } from '../measure.ts';
import { below, median } from '../report.ts';

/** One name in many images of the tree, each with one file changed. */
export const findRow: Row = {
  name: 'find',
  title: 'find over 100 images',
  async run(bench) {
    const { everfull, scale } = bench;
    const at = await bench.treeRepository(everfull);
    const backups: number[] = [];
    while (bench.treeImages(everfull) < scale.images) {
      bench.changeTree(1);
      backups.push((await bench.backupTree(everfull)).ms);
    }
    const wanted = fileOfUniqueName(bench.treeFiles());
    const find = async (): Promise<Run> => {
      const run = await bench.runOnTree(everfull, everfull.find(at, basename(wanted)));
      if (!run.stdout.includes(wanted)) {
        throw new CommandFailed(`Could not find "${wanted}" with everfull: it is not in what was printed`);
      }
      return run;
    };
    const building = await find();
    const runs: Run[] = [];
    for (let round = 0; round < scale.rounds; round++) runs.push(await find());
    const time = median(runs.map((run) => run.ms));
    const peak = median(runs.map((run) => run.peakBytes));
    return {
      lines: [
        { label: 'first run, builds the index', unit: 'ms', values: { everfull: building.ms }, floors: [] },
        { label: 'next run', unit: 'ms', values: { everfull: time }, floors: [below(time, 1000, 'ms')] },
        {
          label: 'peak memory, first run',
          unit: 'bytes',
          values: { everfull: building.peakBytes },
          floors: [],
        },
        { label: 'peak memory, next run', unit: 'bytes', values: { everfull: peak }, floors: [] },
        ...(backups.length === 0
          ? []
          : [
              {
                label: `backup with one file changed (median of ${backups.length})`,
                unit: 'ms' as const,
                values: { everfull: median(backups) },
                floors: [],
              },
            ]),
      ],
    };
  },
};

/** A file whose name no other file of the tree has, so that what is printed is short. */
function fileOfUniqueName(files: readonly string[]): string {
  const count = new Map<string, number>();
  for (const file of files) count.set(basename(file), (count.get(basename(file)) ?? 0) + 1);
  const unique = files.filter((file) => count.get(basename(file)) === 1);
  const [file] = new Dice('find').pick(unique, 1);
  if (file === undefined)
    throw new CommandFailed('Could not choose a file to find: no name in the tree is unique');
  return file;
}
