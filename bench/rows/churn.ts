import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Row, storedBytes } from '../bench.ts';
import { Dice, randomText } from '../content.ts';
import { below } from '../report.ts';
import { extentOf, remove } from '../workspace.ts';

const FILES_PER_FOLDER = 500;
const MOST_BYTES = 4096;
/** Part of the files that each round writes anew. */
const CHURN = 0.05;

/** A tree of small files of which a few change each day, of which the last image alone is kept. */
export const churnRow: Row = {
  name: 'churn',
  title: 'Rounds of change, pruned',
  async run(bench) {
    const { everfull, scale } = bench;
    const tree = bench.workspace.emptyFolder('churn');
    const files = makeFiles(tree, scale.churnFiles);
    const at = await bench.newRepository(everfull, 'churn');
    await bench.run(everfull.backup(at, tree));
    const dice = new Dice('churn');
    let pruneMs = 0;
    for (let round = 1; round <= scale.churnRounds; round++) {
      for (const number of dice.pick([...files.keys()], Math.round(files.length * CHURN)))
        writeFileSync(files[number]!, contentOf(number, round));
      await bench.run(everfull.backup(at, tree));
      const { ms } = await bench.run(everfull.forget(at, '--keep-last', '1', '--prune'));
      pruneMs = Math.max(pruneMs, ms);
    }
    const live = bench.workspace.freshRepository('churn-live');
    await bench.run(everfull.init(live));
    await bench.run(everfull.backup(live, tree));
    const stored = storedBytes(at);
    const needed = storedBytes(live);
    const { bytes } = extentOf(tree);
    for (const path of [tree, at.store, live.store]) remove(path);
    return {
      lines: [
        { label: 'the files', unit: 'bytes', values: { everfull: bytes }, floors: [] },
        { label: 'stored by a new repository', unit: 'bytes', values: { everfull: needed }, floors: [] },
        {
          label: `stored after ${scale.churnRounds} rounds of ${CHURN * 100} %`,
          unit: 'bytes',
          values: { everfull: stored },
          floors: [below(stored, 2 * needed, 'bytes')],
        },
        { label: 'longest forget and prune', unit: 'ms', values: { everfull: pruneMs }, floors: [] },
      ],
    };
  },
};

function makeFiles(tree: string, count: number): string[] {
  const files: string[] = [];
  for (let number = 0; number < count; number++) {
    const folder = join(tree, `folder-${Math.floor(number / FILES_PER_FOLDER)}`);
    if (number % FILES_PER_FOLDER === 0) mkdirSync(folder);
    const path = join(folder, `file-${number}`);
    writeFileSync(path, contentOf(number, 0));
    files.push(path);
  }
  return files;
}

/** Half of it random and twice the same: it compresses about as text does. */
function contentOf(number: number, round: number): Buffer {
  const half = randomText(
    `churn ${number} ${round}`,
    0,
    1 + new Dice(`${number} ${round}`).below(MOST_BYTES / 2),
  );
  return Buffer.concat([half, half]);
}
