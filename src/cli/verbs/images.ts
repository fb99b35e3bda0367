import type { Command } from 'commander';
import { displayText } from '../../base/mod.ts';
import { loadHold, loadImages } from '../../operations/mod.ts';
import type { Hold } from '../../repository/mod.ts';
import { escapePath, escapeText, formatBytes, tableLines } from '../terminal/mod.ts';
import { formatTime, jsonTime } from './format.ts';
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
      const [{ context }, { selectImages }, { readHolds }] = await Promise.all([
        run.open(),
        loadImages(),
        loadHold(),
      ]);
      const holdOf = await readHolds(context);
      const images = await selectImages(context, { ...filterOf(flags), latest: flags.latest });
      failAfterProblems(run);
      if (run.settings.json) {
        run.output.json(images.map((image) => ({ ...imageJson(image), ...holdJson(holdOf(image)) })));
        return;
      }
      const areHeld = images.some((image) => holdOf(image) !== undefined);
      const rows = images.map((image) => [
        shortId(image.id),
        formatTime(image.body.time),
        escapePath(image.body.host),
        image.body.tags.map((tag) => escapeText(displayText(tag))),
        image.body.paths.map(escapePath),
        ...(areHeld ? [holdText(holdOf(image))] : []),
        formatBytes(image.body.bytesProcessed),
      ]);
      const titles = ['ID', 'Time', 'Host', 'Tags', 'Paths', ...(areHeld ? ['Held'] : [])];
      const columns = titles.map((title) => ({ title }));
      for (const line of tableLines([...columns, { title: 'Size', align: 'right' }], rows))
        run.output.line(line);
      run.output.line(`${images.length} ${images.length === 1 ? 'image' : 'images'}`);
    });
}

function holdJson(hold: Hold | undefined): object {
  if (hold === undefined) return {};
  return { held: true, ...(hold.until !== 0 && { hold_until: jsonTime(hold.until) }) };
}

function holdText(hold: Hold | undefined): string {
  if (hold === undefined) return '';
  return hold.until === 0 ? 'held' : `until ${formatTime(hold.until)}`;
}
