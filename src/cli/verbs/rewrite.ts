import type { Command } from 'commander';
import { hexOf } from '../../base/mod.ts';
import { loadChosenImages, loadRewrite } from '../../operations/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { formatBytes } from '../terminal/mod.ts';
import { failAfterProblems, filterOf, type ImageFlags, shortId, withImageFilter } from './image-options.ts';
import { patternsOf, type SelectionFlags } from './sources.ts';
import { type Begin, collect } from './verb.ts';

interface RewriteFlags
  extends ImageFlags,
    Pick<SelectionFlags, 'exclude' | 'iexclude' | 'excludeFile' | 'iexcludeFile'> {
  readonly keepOriginal?: boolean;
  readonly dryRun?: boolean;
}

interface Removed {
  readonly files: number;
  readonly folders: number;
  readonly bytes: number;
}

const HELP = `
Without IMAGE, --host, --path or --tag all images are looked at. Patterns are those of backup. An image of which
something is left out becomes a new one with another id, which takes the place of the old one at its time; the
others stay as they are. What is left out can be read until prune has deleted what no image uses any more.
Images that are held or locked stay: with --keep-original a new one is made beside them.

Examples:
  $ everfull rewrite --exclude '*.iso' --dry-run -v
  $ everfull rewrite --exclude /home/ada/secret.txt && everfull prune
  $ everfull rewrite --iexclude '*.TMP' --host web1 --keep-original`;

export function define(command: Command, begin: Begin): void {
  const text = (value: string, earlier?: string[]) => collect(value, earlier);
  withImageFilter(command.argument('[image...]', 'only these images'))
    .option('-e, --exclude <pattern>', 'leave out what matches; may be repeated', text)
    .option('--iexclude <pattern>', 'the same, ignoring case', text)
    .option('--exclude-file <file>', 'leave out what matches a pattern of the file', text)
    .option('--iexclude-file <file>', 'the same, ignoring case', text)
    .option('--keep-original', 'forget nothing: the new images bear the tag "rewrite"')
    .option('--forget', 'forget the old images, as is done without this flag')
    .option('-n, --dry-run', 'change nothing, say what would go; with -v each path')
    .addHelpText('after', HELP)
    .action(async (names: string[], flags: RewriteFlags) => {
      const run = begin(command);
      // Loaded while a password is worked on.
      const [{ context }, { rewrite }, { chosenImages }] = await Promise.all([
        run.open(),
        loadRewrite(),
        loadChosenImages(),
      ]);
      const { images } = await chosenImages(context, names.map(argumentBytes), filterOf(flags));
      const { settings, output } = run;
      const count = await rewrite(context, {
        images,
        ...patternsOf(flags),
        keepOriginal: flags.keepOriginal ?? false,
        dryRun: flags.dryRun ?? false,
        compression: settings.compression,
        ...(settings.verbose > 0 &&
          !settings.json && { leftOut: (path) => output.byteLine(`  without ${output.path(path)}`) }),
        rewritten: (before, after, removed) => print(run, before, after, removed),
      });
      failAfterProblems(run);
      if (settings.json) output.json({ message_type: 'summary', changed_snapshots: count });
      else if (!settings.quiet)
        output.line(
          `${flags.dryRun ? 'would rewrite' : 'rewrote'} ${count} of ${images.length} ${images.length === 1 ? 'image' : 'images'}`,
        );
    });
}

function print(
  { settings, output }: Run,
  before: Image,
  after: Image | undefined,
  { files, folders, bytes }: Removed,
): void {
  if (settings.json) {
    output.json({
      message_type: 'changed',
      old_snapshot_id: hexOf(before.id),
      ...(after !== undefined && { new_snapshot_id: hexOf(after.id) }),
      files_removed: files,
      dirs_removed: folders,
      bytes_removed: bytes,
    });
    return;
  }
  if (settings.quiet) return;
  const what = `without ${files} files and ${folders} folders, ${formatBytes(bytes)}`;
  output.line(
    after === undefined
      ? `image ${shortId(before.id)} would be made anew ${what}`
      : `image ${shortId(before.id)} is now ${shortId(after.id)}, ${what}`,
  );
}
