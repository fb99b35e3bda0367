import { createReadStream, createWriteStream, renameSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { addedBytes, type Bench, type Row } from '../bench.ts';
import { Dice, randomText, writeRandomFile } from '../content.ts';
import { below, type Floor, medianOfEach } from '../report.ts';
import type { Repository, ToolName } from '../tools.ts';
import { overwrite, remove, settle } from '../workspace.ts';

const BLOCK = 4096;
const INSERTED = 100;

/** 4 KiB blocks at random places of a long file that does not compress. */
export const overwritesRow: Row = {
  name: 'overwrites',
  title: '1 GiB file, 1,000 random overwrites of 4 KiB',
  run: (bench) =>
    longFile(bench, {
      name: 'overwrites',
      change: async (path, round) => {
        const dice = new Dice(`overwrites ${round}`);
        const blocks = Math.floor(bench.scale.longFileBytes / BLOCK);
        const seed = `overwritten ${round}`;
        overwrite(
          path,
          Array.from({ length: bench.scale.overwrites }, (_, turn) => [
            dice.below(blocks) * BLOCK,
            randomText(seed, turn * BLOCK, BLOCK),
          ]),
        );
      },
      floor: (added) => below(added, bench.scale.longFileBytes * 0.03, 'bytes', ' (3 %)'),
    }),
};

/** A few bytes put in near the start of a long file that does not compress. */
export const insertRow: Row = {
  name: 'insert',
  title: '1 GiB file, 100 bytes inserted near its start',
  run: (bench) =>
    longFile(bench, {
      name: 'insert',
      change: async (path, round) => {
        const at = new Dice(`insert ${round}`).below(2 ** 20);
        const longer = `${path}.new`;
        await pipeline(createReadStream(path, { end: at }), createWriteStream(longer));
        await pipeline(
          [randomText(`inserted ${round}`, 0, INSERTED)],
          createWriteStream(longer, { flags: 'a' }),
        );
        await pipeline(createReadStream(path, { start: at + 1 }), createWriteStream(longer, { flags: 'a' }));
        renameSync(longer, path);
      },
      floor: (added) => below(added, 5 * 2 ** 20, 'bytes'),
    }),
};

interface LongFile {
  readonly name: string;
  readonly change: (path: string, round: number) => Promise<void>;
  readonly floor: (added: number) => Floor;
}

/** Backs a long file up, and after each round's change (they add up) once more with each tool. */
async function longFile(bench: Bench, { name, change, floor }: LongFile): ReturnType<Row['run']> {
  const folder = bench.workspace.emptyFolder(name);
  const file = join(folder, 'file');
  writeRandomFile(file, name, bench.scale.longFileBytes);
  const repositories = new Map<ToolName, Repository>();
  for (const tool of bench.tools) {
    const at = await bench.newRepository(tool, name);
    repositories.set(tool.name, at);
    await bench.run(tool.backup(at, folder));
  }
  const samples = await bench.rounds(
    async (tool) => {
      const at = repositories.get(tool.name)!;
      await settle(folder);
      return addedBytes(at, () => bench.run(tool.backup(at, folder)));
    },
    (round) => change(file, round),
  );
  remove(folder);
  for (const at of repositories.values()) remove(at.store);
  const added = medianOfEach(samples, (run) => run.added);
  return {
    lines: [
      { label: 'bytes added', unit: 'bytes', values: added, floors: [floor(added.everfull!)] },
      { label: 'time', unit: 'ms', values: medianOfEach(samples, (run) => run.ms), floors: [] },
    ],
  };
}
