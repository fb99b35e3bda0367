import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../bench.ts';
import { Dice, randomText } from '../content.ts';
import { below } from '../report.ts';
import { remove, settle } from '../workspace.ts';

const FILES_PER_FOLDER = 1000;
const MOST_BYTES = 2048;

/** A tree of a million files of up to 2 KiB: first backup, a second one, and the restore. */
export const millionRow: Row = {
  name: 'million',
  title: 'A million small files',
  async run(bench) {
    const { everfull } = bench;
    const tree = bench.workspace.emptyFolder('million');
    bench.log(`  making ${bench.scale.smallFiles} files`);
    makeSmallFiles(tree, bench.scale.smallFiles);
    const at = await bench.newRepository(everfull, 'million');
    await settle(tree);
    const first = await bench.run(everfull.backup(at, tree));
    const again = await bench.run(everfull.backup(at, tree));
    const target = bench.workspace.emptyFolder('restored');
    const restore = await bench.run(everfull.restore(at, await bench.imageName(everfull, at, 0), target));
    for (const path of [tree, target, at.store]) remove(path);
    const runs = { 'first backup': first, 'nothing changed': again, restore };
    return {
      lines: Object.entries(runs).flatMap(([label, run]) => [
        { label: `${label}, time`, unit: 'ms' as const, values: { everfull: run.ms }, floors: [] },
        {
          label: `${label}, peak memory`,
          unit: 'bytes' as const,
          values: { everfull: run.peakBytes },
          floors: [below(run.peakBytes, 768 * 2 ** 20, 'bytes')],
        },
      ]),
    };
  },
};

function makeSmallFiles(tree: string, count: number): void {
  const dice = new Dice('small files');
  for (let number = 0; number < count; number++) {
    const folder = join(tree, `folder-${Math.floor(number / FILES_PER_FOLDER)}`);
    if (number % FILES_PER_FOLDER === 0) mkdirSync(folder);
    // Half of it random and twice the same: it compresses about as text does.
    const half = randomText(`small ${number}`, 0, 1 + dice.below(MOST_BYTES / 2));
    writeFileSync(join(folder, `file-${number}`), Buffer.concat([half, half]));
  }
}
