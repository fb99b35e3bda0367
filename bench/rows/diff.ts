import { relative } from 'node:path';
import type { Row } from '../bench.ts';
import { CommandFailed } from '../measure.ts';
import { below, medianOfEach } from '../report.ts';

/** Two images of the tree that differ in a few files. */
export const diffRow: Row = {
  name: 'diff',
  title: 'diff of images that differ in 100 files',
  async run(bench) {
    for (const tool of bench.tools) await bench.treeRepository(tool);
    const changed = bench.changeTree(bench.scale.changedFiles);
    for (const tool of bench.tools) await bench.backupTree(tool);
    const samples = await bench.rounds(async (tool) => {
      const at = await bench.treeRepository(tool);
      const [older, newer] = [await bench.imageName(tool, at, 1), await bench.imageName(tool, at, 0)];
      const run = await bench.runOnTree(tool, tool.diff(at, older, newer));
      const missing = changed.find((path) => !run.stdout.includes(relative(bench.tree, path)));
      if (missing !== undefined) {
        throw new CommandFailed(
          `Could not compare images with ${tool.name}: "${missing}" is not in the difference`,
        );
      }
      return run;
    });
    const time = medianOfEach(samples, (run) => run.ms);
    const open = await bench.openMs(await bench.treeRepository(bench.everfull));
    const net = time.everfull! - open;
    return {
      lines: [
        {
          label: 'time',
          unit: 'ms',
          values: time,
          floors: [below(net, 300, 'ms', ' + start-up and opening')],
        },
        { label: 'start-up and opening (`key list`)', unit: 'ms', values: { everfull: open }, floors: [] },
      ],
    };
  },
};
