import type { Row } from '../bench.ts';
import { CommandFailed } from '../measure.ts';
import { below, medianOfEach, show } from '../report.ts';
import { extentOf } from '../workspace.ts';

/** Every path of the newest image, printed. */
export const listRow: Row = {
  name: 'ls',
  title: 'ls --recursive of the image',
  async run(bench) {
    const { entries } = extentOf(bench.tree);
    const samples = await bench.rounds(async (tool) => {
      const at = await bench.treeRepository(tool);
      const run = await bench.runOnTree(tool, tool.list(at, await bench.imageName(tool, at, 0)));
      const lines = run.stdout.toString('latin1').split('\n').length - 1;
      if (lines < entries) {
        throw new CommandFailed(
          `Could not list with ${tool.name}: ${lines} lines for ${show(entries, 'count')} entries`,
        );
      }
      return run;
    });
    const time = medianOfEach(samples, (run) => run.ms);
    return {
      lines: [
        { label: 'time', unit: 'ms', values: time, floors: [below(time.everfull!, 2000, 'ms')] },
        {
          label: 'peak memory',
          unit: 'bytes',
          values: medianOfEach(samples, (run) => run.peakBytes),
          floors: [],
        },
      ],
    };
  },
};
