import { addedBytes, type Row } from '../bench.ts';
import { below, medianOfEach, timesLess } from '../report.ts';

/** The tree once more, with nothing changed since the last image. */
export const unchangedRow: Row = {
  name: 'unchanged',
  title: 'Nothing changed',
  async run(bench) {
    const samples = await bench.rounds(async (tool) => {
      const at = await bench.treeRepository(tool);
      return addedBytes(at, () => bench.settledBackup(tool));
    });
    const time = medianOfEach(samples, (run) => run.ms);
    const added = medianOfEach(samples, (run) => run.added);
    return {
      lines: [
        { label: 'time', unit: 'ms', values: time, floors: timesLess(time, 'restic', 5) },
        { label: 'CPU', unit: 'ms', values: medianOfEach(samples, (run) => run.cpuMs), floors: [] },
        {
          label: 'peak memory',
          unit: 'bytes',
          values: medianOfEach(samples, (run) => run.peakBytes),
          floors: [],
        },
        {
          label: 'bytes added',
          unit: 'bytes',
          values: added,
          floors: [below(added.everfull!, 64 * 2 ** 10, 'bytes')],
        },
      ],
    };
  },
};
