import { type Row, stagesOf } from '../bench.ts';
import { type Floor, medianOfEach, show, timesLess, type Values } from '../report.ts';
import { extentOf } from '../workspace.ts';

/** The tree into a new repository. */
export const firstRow: Row = {
  name: 'first',
  title: 'First backup',
  async run(bench) {
    const samples = await bench.rounds(async (tool) => {
      const at = await bench.newTreeRepository(tool);
      const run = await bench.settledBackup(tool);
      return { ...run, stored: extentOf(at.store).allocated };
    });
    const time = medianOfEach(samples, (run) => run.ms);
    const stored = medianOfEach(samples, (run) => run.stored);
    return {
      lines: [
        {
          label: 'time',
          unit: 'ms',
          values: time,
          floors: [...timesLess(time, 'restic', 3), ...timesLess(time, 'borg', 2.5)],
        },
        { label: 'CPU', unit: 'ms', values: medianOfEach(samples, (run) => run.cpuMs), floors: [] },
        {
          label: 'peak memory',
          unit: 'bytes',
          values: medianOfEach(samples, (run) => run.peakBytes),
          floors: [],
        },
        { label: 'stored', unit: 'bytes', values: stored, floors: noLarger(stored) },
      ],
      ...stagesOf(samples.everfull),
    };
  },
};

function noLarger({ everfull, restic }: Values): Floor[] {
  if (everfull === undefined || restic === undefined) return [];
  return [{ wanted: '≤ restic', found: show(everfull, 'bytes'), met: everfull <= restic }];
}
