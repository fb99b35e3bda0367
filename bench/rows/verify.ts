import type { Row } from '../bench.ts';
import { CommandFailed } from '../measure.ts';
import { above, median } from '../report.ts';
import { settle } from '../workspace.ts';

interface VerifySummary {
  readonly bytes_verified: number;
  readonly damaged_objects: number;
}

/** Every stored byte of the tree's repository against its digest, from the page cache and without a key. */
export const verifyRow: Row = {
  name: 'verify',
  title: 'verify of the whole repository',
  async run(bench) {
    const { everfull } = bench;
    const at = await bench.treeRepository(everfull);
    await settle(at.store);
    const runs = [];
    for (let round = 0; round < bench.scale.rounds; round++) {
      const run = await bench.runOnTree(everfull, everfull.verify(at));
      const summary: VerifySummary = JSON.parse(run.stdout.toString('utf8').trim().split('\n').at(-1)!);
      if (summary.damaged_objects > 0) throw new CommandFailed('Could not verify: damage was found');
      runs.push({ ...run, bytes: summary.bytes_verified });
    }
    const start = await bench.startMs();
    const time = median(runs.map(({ ms }) => ms));
    const rate = median(runs.map(({ ms, bytes }) => bytes / ((ms - start) / 1000)));
    return {
      lines: [
        { label: 'time', unit: 'ms', values: { everfull: time }, floors: [] },
        { label: 'start-up (`version`)', unit: 'ms', values: { everfull: start }, floors: [] },
        {
          label: 'bytes a second',
          unit: 'bytes',
          values: { everfull: rate },
          floors: [above(rate, 1.5e9, 'bytes', ' a second besides start-up')],
        },
        {
          label: 'peak memory',
          unit: 'bytes',
          values: { everfull: median(runs.map(({ peakBytes }) => peakBytes)) },
          floors: [],
        },
      ],
    };
  },
};
