import { Ceph } from '../../test/testing/ceph.ts';
import type { Row } from '../bench.ts';
import type { Command, Run } from '../measure.ts';
import { above, below, median } from '../report.ts';
import { remove, settle } from '../workspace.ts';

/** The tree into a bucket of a Ceph cluster in memory on this machine, and into a folder, by turns. */
export const s3Row: Row = {
  name: 's3',
  title: 'Ceph RGW on loopback',
  async run(bench) {
    const { everfull, scale, tree } = bench;
    const first: { folder: Run[]; s3: Run[] } = { folder: [], s3: [] };
    const again: { folder: Run[]; s3: Run[] } = { folder: [], s3: [] };
    for (let round = 0; round < scale.rounds; round++) {
      // A cluster of its own each time: what was deleted stays in its memory for hours.
      const ceph = await Ceph.start();
      try {
        const withKeys = (command: Command): Command => ({
          ...command,
          env: { ...command.env, ...ceph.environment },
        });
        const folder = await bench.newRepository(everfull, 's3-folder');
        const bucket = { store: ceph.newLocation(), home: bench.workspace.emptyFolder('s3-home') };
        await bench.run(withKeys(everfull.init(bucket)));
        for (const place of round % 2 === 0 ? (['folder', 's3'] as const) : (['s3', 'folder'] as const)) {
          const backup = withKeys(everfull.backup(place === 's3' ? bucket : folder, tree));
          await settle(tree);
          first[place].push(await bench.run(backup));
          again[place].push(await bench.run(backup));
        }
        remove(folder.store);
      } finally {
        await ceph.stop();
      }
    }
    const ms = (runs: readonly Run[]) => median(runs.map((run) => run.ms));
    const speed = (100 * ms(first.folder)) / ms(first.s3);
    return {
      lines: [
        {
          label: 'first backup, to a folder',
          unit: 'ms',
          values: { everfull: ms(first.folder) },
          floors: [],
        },
        {
          label: 'first backup, to Ceph',
          unit: 'ms',
          values: { everfull: ms(first.s3) },
          floors: [above(speed, 50, 'count', ' % of the speed of a folder')],
        },
        {
          label: 'nothing changed, to a folder',
          unit: 'ms',
          values: { everfull: ms(again.folder) },
          floors: [],
        },
        {
          label: 'nothing changed, to Ceph',
          unit: 'ms',
          values: { everfull: ms(again.s3) },
          floors: [below(ms(again.s3), 3 * ms(again.folder), 'ms')],
        },
      ],
    };
  },
};
