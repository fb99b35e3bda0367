import { join } from 'node:path';
import { buildPackage } from '../../tools/package.ts';
import type { Bench, Row } from '../bench.ts';
import { below } from '../report.ts';
import { command } from '../tools.ts';

/** `everfull --version` of the npm package, installed from its tarball into an empty folder. */
export const startRow: Row = {
  name: 'version',
  title: 'everfull --version, installed',
  async run(bench) {
    const program = bench.installed ?? (await installPackage(bench));
    const { ms, peakBytes } = await bench.runOften(
      command('/nonexistent', [...program, '--version'], {}),
      bench.scale.starts,
    );
    return {
      lines: [
        { label: 'time', unit: 'ms', values: { everfull: ms }, floors: [below(ms, 150, 'ms')] },
        { label: 'peak memory', unit: 'bytes', values: { everfull: peakBytes }, floors: [] },
      ],
    };
  },
};

async function installPackage(bench: Bench): Promise<string[]> {
  const tarball = buildPackage(bench.workspace.path('packed'));
  const folder = bench.workspace.emptyFolder('installed');
  await bench.run(
    command(
      process.env.HOME ?? folder,
      ['npm', 'install', '--loglevel=error', '--prefix', folder, tarball],
      {},
    ),
  );
  return [join(folder, 'node_modules/.bin/everfull')];
}
