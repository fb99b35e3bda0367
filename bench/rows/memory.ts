import type { Row } from '../bench.ts';
import { below } from '../report.ts';

/** The most memory that any of the measured runs on the tree took. */
export const memoryRow: Row = {
  name: 'memory',
  title: 'Memory',
  async run(bench) {
    if (bench.treePeaks.everfull === undefined) {
      for (const tool of bench.tools) await bench.treeRepository(tool);
    }
    return {
      lines: [
        {
          label: 'highest peak of all runs on the tree',
          unit: 'bytes',
          values: bench.treePeaks,
          floors: [below(bench.treePeaks.everfull!, 512 * 2 ** 20, 'bytes')],
        },
      ],
    };
  },
};
