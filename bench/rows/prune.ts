import { join } from 'node:path';
import type { Row } from '../bench.ts';
import { below } from '../report.ts';
import { remove } from '../workspace.ts';

/** A repository of a million short chunks, half of which no image uses any more. */
export const pruneRow: Row = {
  name: 'prune',
  title: 'Prune of a repository with a million chunks',
  async run(bench) {
    const { everfull, scale } = bench;
    const at = await bench.newRepository(everfull, 'prune');
    bench.log(`  storing ${scale.pruneChunks} chunks`);
    const fill = join(import.meta.dirname, '../fill-repository.ts');
    await bench.run({
      ...everfull.open(at),
      argv: [process.execPath, fill, at.store, String(scale.pruneChunks)],
    });
    await bench.run(everfull.forget(at, 'latest~1'));
    const tried = await bench.run(everfull.prune(at, '--dry-run'));
    const run = await bench.run(everfull.prune(at));
    const again = await bench.run(everfull.prune(at));
    remove(at.store);
    return {
      lines: [
        { label: 'dry run', unit: 'ms', values: { everfull: tried.ms }, floors: [] },
        { label: 'time', unit: 'ms', values: { everfull: run.ms }, floors: [below(run.ms, 60_000, 'ms')] },
        {
          label: 'peak memory',
          unit: 'bytes',
          values: { everfull: run.peakBytes },
          floors: [below(run.peakBytes, 512 * 2 ** 20, 'bytes')],
        },
        { label: 'again, with nothing to do', unit: 'ms', values: { everfull: again.ms }, floors: [] },
      ],
    };
  },
};
