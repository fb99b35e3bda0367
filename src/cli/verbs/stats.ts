import type { Command } from 'commander';
import { loadImages, loadStats, type Stats } from '../../operations/mod.ts';
import { argumentBytes } from '../opening/mod.ts';
import { formatBytes } from '../terminal/mod.ts';
import { failAfterProblems, filterOf, type ImageFlags, withImageFilter } from './image-options.ts';
import type { Begin } from './verb.ts';

const HELP = `
Without an image all images are counted.

Examples:
  $ everfull stats
  $ everfull stats latest
  $ everfull stats --host web1 --json`;

export function define(command: Command, begin: Begin): void {
  withImageFilter(command.argument('[image...]', 'only these images'))
    .addHelpText('after', HELP)
    .action(async (specs: string[], flags: ImageFlags) => {
      const run = begin(command);
      // Loaded while a password is worked on.
      const [{ context }, { resolveImage, selectImages }, { repositoryStats }] = await Promise.all([
        run.open(),
        loadImages(),
        loadStats(),
      ]);
      const images = [];
      for (const spec of specs)
        images.push((await resolveImage(context, argumentBytes(spec), filterOf(flags))).image);
      if (specs.length === 0) images.push(...(await selectImages(context, filterOf(flags))));
      const stats = await repositoryStats(context, images);
      failAfterProblems(run);
      if (run.settings.json) run.output.json(stats);
      else for (const [title, value] of statsLines(stats)) run.output.line(`${title.padEnd(26)} ${value}`);
    });
}

function statsLines(stats: Stats): [string, string][] {
  const frames = ({ count, size }: { count: number; size: number }) => `${count}, ${formatBytes(size)}`;
  return [
    ['Images', String(stats.snapshots_count)],
    ['Entries in them', String(stats.total_file_count)],
    ['Size of their restores', formatBytes(stats.total_size)],
    ['Stored, before compression', formatBytes(stats.total_uncompressed_size)],
    ['Repository', `${formatBytes(stats.stored_size)} in ${stats.objects_count} objects`],
    ['Packs', `${stats.packs_count}, ${formatBytes(stats.packs_size)}`],
    ['Chunks', frames(stats.chunks)],
    ['Index nodes', frames(stats.index_nodes)],
    ['Content nodes', frames(stats.content_nodes)],
    [
      'Compression',
      `${stats.compression_ratio.toFixed(2)} x, ${stats.compression_space_saving.toFixed(1)} % saved`,
    ],
    ['Deduplication', `${stats.deduplication_ratio.toFixed(2)} x`],
  ];
}
