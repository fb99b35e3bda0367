import { join } from 'node:path';
import { type Row, stagesOf } from '../bench.ts';
import { CommandFailed } from '../measure.ts';
import { medianOfEach, timesLess } from '../report.ts';
import { extentOf, remove, settle } from '../workspace.ts';

/** The newest image of the whole tree into an empty folder. */
export const restoreRow: Row = {
  name: 'restore',
  title: 'Whole restore',
  async run(bench) {
    const wanted = extentOf(bench.tree);
    const samples = await bench.rounds(async (tool) => {
      const at = await bench.treeRepository(tool);
      const image = await bench.imageName(tool, at, 0);
      const target = bench.workspace.emptyFolder('restored');
      await settle(at.store);
      const run = await bench.runOnTree(tool, tool.restore(at, image, target));
      const found = extentOf(join(target, bench.tree));
      if (found.entries !== wanted.entries || found.bytes !== wanted.bytes) {
        throw new CommandFailed(
          `Could not restore with ${tool.name}: ${found.entries} entries and ${found.bytes} bytes came back ` +
            `of ${wanted.entries} and ${wanted.bytes}`,
        );
      }
      remove(target);
      return run;
    });
    const time = medianOfEach(samples, (run) => run.ms);
    return {
      lines: [
        { label: 'time', unit: 'ms', values: time, floors: timesLess(time, 'restic', 2.5) },
        { label: 'CPU', unit: 'ms', values: medianOfEach(samples, (run) => run.cpuMs), floors: [] },
        {
          label: 'peak memory',
          unit: 'bytes',
          values: medianOfEach(samples, (run) => run.peakBytes),
          floors: [],
        },
      ],
      ...stagesOf(samples.everfull),
    };
  },
};
