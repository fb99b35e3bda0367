import type { Command } from 'commander';
import { displayText } from '../../base/mod.ts';
import { loadImages } from '../../operations/mod.ts';
import { escapePath, escapeText, formatBytes, tableLines } from '../terminal/mod.ts';
import { formatTime } from './format.ts';
import {
  failAfterProblems,
  filterOf,
  type ImageFlags,
  imageJson,
  shortId,
  time,
  withImageFilter,
} from './image-options.ts';
import type { Begin } from './verb.ts';

interface ImagesFlags extends ImageFlags {
  readonly latest?: number;
}

const HELP = `
Examples:
  $ everfull images
  $ everfull images --host web1 --after "7d ago"
  $ everfull images --json`;

export function define(command: Command, begin: Begin): void {
  withImageFilter(command)
    .option('--before <time>', 'only images of before this time: "2026-03-29 14:05", "2d ago"', time)
    .option('--after <time>', 'only images of this time and after', time)
    .option('--latest <count>', 'only so many newest of each dataset', Number)
    .addHelpText('after', HELP)
    .action(async (flags: ImagesFlags) => {
      const run = begin(command);
      // Loaded while a password is worked on.
      const [{ context }, { selectImages }] = await Promise.all([run.open(), loadImages()]);
      const images = await selectImages(context, { ...filterOf(flags), latest: flags.latest });
      failAfterProblems(run);
      if (run.settings.json) {
        run.output.json(images.map(imageJson));
        return;
      }
      const rows = images.map(({ id, body }) => [
        shortId(id),
        formatTime(body.time),
        escapePath(body.host),
        body.tags.map((tag) => escapeText(displayText(tag))),
        body.paths.map(escapePath),
        formatBytes(body.bytesProcessed),
      ]);
      const columns = ['ID', 'Time', 'Host', 'Tags', 'Paths'].map((title) => ({ title }));
      for (const line of tableLines([...columns, { title: 'Size', align: 'right' }], rows))
        run.output.line(line);
      run.output.line(`${images.length} ${images.length === 1 ? 'image' : 'images'}`);
    });
}
