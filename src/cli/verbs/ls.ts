import type { Command } from 'commander';
import { loadImages, loadList } from '../../operations/mod.ts';
import { argumentBytes } from '../opening/mod.ts';
import { entryJson, longLine } from './entry-text.ts';
import { filterOf, type ImageFlags, imageJson, withImageChoice } from './image-options.ts';
import type { Begin } from './verb.ts';

interface ListFlags extends ImageFlags {
  readonly long?: boolean;
  readonly recursive?: boolean;
}

const HELP = `
Without PATH the entries of what was backed up are listed. Paths are printed byte by byte, except on a
terminal, which is shown no control characters.

Examples:
  $ everfull ls latest
  $ everfull ls -l latest:/home/ada
  $ everfull ls --recursive 4f1c:/etc`;

export function define(command: Command, begin: Begin): void {
  withImageChoice(command.argument('<image[:path]>', 'the image, and a path in it'))
    .option('-l, --long', 'show mode, owner, size and time, too')
    .option('--recursive', 'list everything below')
    .addHelpText('after', HELP)
    .action(async (spec: string, flags: ListFlags) => {
      const run = begin(command);
      const { output, settings } = run;
      // Loaded while a password is worked on.
      const [{ context }, { resolveImage }, { listImage }] = await Promise.all([
        run.open(),
        loadImages(),
        loadList(),
      ]);
      const { image, path } = await resolveImage(context, argumentBytes(spec), filterOf(flags));
      if (settings.json)
        output.json({ ...imageJson(image), message_type: 'snapshot', struct_type: 'snapshot' });
      for await (const item of listImage(context, image, path, { recursive: flags.recursive })) {
        let room: Promise<void> | undefined;
        if (settings.json) {
          room = output.json({
            ...entryJson(item.path, item.entry),
            message_type: 'node',
            struct_type: 'node',
          });
        } else {
          room = output.byteLine(
            flags.long ? longLine(output, item.path, item.entry) : output.path(item.path),
          );
        }
        if (room !== undefined) await room;
      }
    });
}
