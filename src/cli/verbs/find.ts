import type { Command } from 'commander';
import { hexOf } from '../../base/mod.ts';
import { loadFind, loadImages } from '../../operations/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { argumentBytes } from '../opening/mod.ts';
import { entryJson, longLine } from './entry-text.ts';
import { formatTime } from './format.ts';
import {
  failAfterProblems,
  filterOf,
  type ImageFlags,
  shortId,
  time,
  withImageFilter,
} from './image-options.ts';
import { type Begin, collect } from './verb.ts';

interface FindFlags extends ImageFlags {
  readonly fingerprint?: string;
  readonly ignoreCase?: boolean;
  readonly long?: boolean;
  readonly image?: readonly string[];
  readonly oldest?: number;
  readonly newest?: number;
  readonly reverse?: boolean;
}

const HELP = `
A pattern without a slash fits names, one with a slash fits paths; * ? and [] are wildcards. The first
search builds an index in the cache, which later ones use.

Examples:
  $ everfull find passwd
  $ everfull find -l '*.conf' --image latest
  $ everfull find --fingerprint a98895316a42
  $ everfull find --oldest 2d '/home/*/notes/*'`;

export function define(command: Command, begin: Begin): void {
  withImageFilter(command.argument('[pattern...]', 'what to look for'))
    .option('--fingerprint <digits>', 'files with these bytes: the beginning of their fingerprint')
    .option('-i, --ignore-case', 'ignore case')
    .option('-l, --long', 'show mode, owner, size and time, too')
    .option('-s, --image <image>', 'look only into this image; may be repeated', (text, earlier?: string[]) =>
      collect(text, earlier),
    )
    .option('-O, --oldest <time>', 'only what was modified at this time or after', time)
    .option('-N, --newest <time>', 'only what was modified at this time or before', time)
    .option('-R, --reverse', 'the oldest image first')
    .addHelpText('after', HELP)
    .action(async (patterns: string[], flags: FindFlags) => {
      const run = begin(command);
      const { output, settings } = run;
      // Loaded while a password is worked on.
      const [{ context }, { resolveImage, selectImages }, { find }] = await Promise.all([
        run.open(),
        loadImages(),
        loadFind(),
      ]);
      const filter = filterOf(flags);
      let images: Image[] = [];
      for (const spec of flags.image ?? [])
        images.push((await resolveImage(context, argumentBytes(spec), filter)).image);
      if (flags.image === undefined) images = (await selectImages(context, filter)).reverse();
      if (flags.reverse) images.reverse();
      const found = find(context, {
        patterns: patterns.map(argumentBytes),
        fingerprint: flags.fingerprint,
        ignoreCase: flags.ignoreCase,
        oldest: flags.oldest,
        newest: flags.newest,
        images,
      });
      // One document, written as it comes.
      if (settings.json) output.line('[');
      let separator = '';
      for await (const { image, hits, matches } of found) {
        if (settings.json) {
          output.line(`${separator}{"snapshot":"${hexOf(image.id)}","hits":${hits},"matches":[`);
          let inner = '';
          for await (const match of matches) {
            await output.line(inner + JSON.stringify(entryJson(match.path, match)));
            inner = ',';
          }
          output.line(']}');
        } else {
          if (separator !== '') output.line();
          if (!settings.quiet)
            output.line(`in image ${shortId(image.id)} of ${formatTime(image.body.time)}:`);
          for await (const match of matches) {
            await output.byteLine(flags.long ? longLine(output, match.path, match) : output.path(match.path));
          }
        }
        separator = ',';
      }
      if (settings.json) output.line(']');
      failAfterProblems(run);
    });
}
