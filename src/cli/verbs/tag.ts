import type { Command } from 'commander';
import type { ByteString } from '../../base/mod.ts';
import { loadChosenImages, loadTag } from '../../operations/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { failAfterProblems, filterOf, type ImageFlags, shortId, withImageFilter } from './image-options.ts';
import { type Begin, collect } from './verb.ts';

interface TagFlags extends ImageFlags {
  readonly set?: ByteString[];
  readonly add?: ByteString[];
  readonly remove?: ByteString[];
}

const HELP = `
Without IMAGE, --host, --path or --tag all images are meant. An image is signed and never changes: one with other
tags is a new one with another id, which takes the place of the old one at its time. Images that are held or
locked keep their tags.

Examples:
  $ everfull tag --add keep latest
  $ everfull tag --remove weekly --add monthly,archive --host web1
  $ everfull tag --set "" 4f1c`;

export function define(command: Command, begin: Begin): void {
  const tags = (text: string, earlier?: ByteString[]) => collect(argumentBytes(text), earlier);
  withImageFilter(command.argument('[image...]', 'only these images'))
    .option('--set <tag[,tag]>', 'these tags and no others; "" for none; may be repeated', tags)
    .option('--add <tag[,tag]>', 'these tags besides; may be repeated', tags)
    .option('--remove <tag[,tag]>', 'without these tags; may be repeated', tags)
    .addHelpText('after', HELP)
    .action(async (names: string[], flags: TagFlags) => {
      const run = begin(command);
      // Loaded while a password is worked on.
      const [{ context }, { tag }, { chosenImages }] = await Promise.all([
        run.open(),
        loadTag(),
        loadChosenImages(),
      ]);
      const { set, add, remove } = flags;
      const { images } = await chosenImages(context, names.map(argumentBytes), filterOf(flags));
      const count = await tag(context, {
        images,
        set,
        add,
        remove,
        compression: run.settings.compression,
        changed: (before, after) => printChanged(run, before, after),
      });
      failAfterProblems(run);
      if (run.settings.json) run.output.json({ message_type: 'summary', changed_snapshots: count });
      else if (!run.settings.quiet)
        run.output.line(`changed the tags of ${count} ${count === 1 ? 'image' : 'images'}`);
    });
}

/** restic's line. */
export function printChanged({ settings, output }: Run, before: Image, after: Image): void {
  if (settings.json)
    output.json({
      message_type: 'changed',
      old_snapshot_id: before.id.toString('hex'),
      new_snapshot_id: after.id.toString('hex'),
    });
  else if (!settings.quiet) output.line(`image ${shortId(before.id)} is now ${shortId(after.id)}`);
}
