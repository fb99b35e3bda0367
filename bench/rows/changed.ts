import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { addedBytes, type Bench, type Row } from '../bench.ts';
import { below, median, medianOfEach, show } from '../report.ts';
import { settle } from '../workspace.ts';

const FACTOR = 1.3;

interface Bounds {
  /** Everfull's backup of the tree just before the change. */
  readonly unchangedMs: number;
  /** Everfull's first backup of nothing but the changed files, less the bare start. */
  readonly dataMs: number;
  /** The changed files, each through zstd -3, summed. */
  readonly compressed: number;
}

/** The tree again after a few files, spread at random, were changed by a few bytes each. */
export const changedRow: Row = {
  name: 'changed',
  title: '100 files changed',
  async run(bench) {
    const bounds: Bounds[] = [];
    for (const tool of bench.tools) await bench.treeRepository(tool);
    const samples = await bench.rounds(
      async (tool) => {
        const at = await bench.treeRepository(tool);
        return addedBytes(at, () => bench.settledBackup(tool));
      },
      async () => {
        const unchangedMs = (await bench.settledBackup(bench.everfull)).ms;
        const files = bench.changeTree(bench.scale.changedFiles);
        bounds.push({
          unchangedMs,
          dataMs: await backupAlone(bench, files),
          compressed: compressedBytes(files),
        });
      },
    );
    const time = medianOfEach(samples, (run) => run.ms);
    const added = medianOfEach(samples, (run) => run.added);
    const unchanged = median(bounds.map((bound) => bound.unchangedMs));
    const data = median(bounds.map((bound) => bound.dataMs));
    const compressed = median(bounds.map((bound) => bound.compressed));
    const limit = FACTOR * unchanged + data;
    return {
      lines: [
        {
          label: 'time',
          unit: 'ms',
          values: time,
          floors: [
            {
              wanted: `≤ ${FACTOR} × ${show(unchanged, 'ms')} + ${show(data, 'ms')} for the data`,
              found: `${show(time.everfull!, 'ms')} of ${show(limit, 'ms')}`,
              met: time.everfull! <= limit,
            },
          ],
        },
        { label: 'CPU', unit: 'ms', values: medianOfEach(samples, (run) => run.cpuMs), floors: [] },
        {
          label: 'peak memory',
          unit: 'bytes',
          values: medianOfEach(samples, (run) => run.peakBytes),
          floors: [],
        },
        {
          label: `bytes added (changed files through zstd -3: ${show(compressed, 'bytes')})`,
          unit: 'bytes',
          values: added,
          floors: [below(added.everfull!, compressed + 2 ** 20, 'bytes')],
        },
      ],
    };
  },
};

/** Time that Everfull needs to read and store `files` alone: into a new repository, less the bare start. */
async function backupAlone(bench: Bench, files: readonly string[]): Promise<number> {
  const folder = bench.workspace.emptyFolder('changed-files');
  for (const [number, file] of files.entries()) cpSync(file, join(folder, String(number)));
  const at = await bench.newRepository(bench.everfull, 'changed-files');
  await settle(folder);
  const run = await bench.run(bench.everfull.backup(at, folder));
  return Math.max(0, run.ms - (await bench.startMs()));
}

function compressedBytes(files: readonly string[]): number {
  const params = { [constants.ZSTD_c_compressionLevel]: 3 };
  return files.reduce((sum, file) => sum + zstdCompressSync(readFileSync(file), { params }).length, 0);
}
