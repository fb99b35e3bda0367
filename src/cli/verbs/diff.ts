import type { Command } from 'commander';
import { type ByteString, displayText, EverfullError } from '../../base/mod.ts';
import { type DiffStatistics, loadDiff, loadImages } from '../../operations/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { formatBytes } from '../terminal/mod.ts';
import { pathJson } from './entry-text.ts';
import { filterOf, type ImageFlags, shortId, withImageFilter } from './image-options.ts';
import type { Begin } from './verb.ts';

interface DiffFlags extends ImageFlags {
  readonly metadata?: boolean;
}

const HELP = `
What a line begins with: + added, - removed, T another type, M other content, U other metadata
(with --metadata), ? other content though nothing else changed, which may be bit rot.

Examples:
  $ everfull diff latest~1 latest
  $ everfull diff --metadata 4f1c:/etc 77ab:/etc`;

export function define(command: Command, begin: Begin): void {
  withImageFilter(
    command.argument('<image[:path]>', 'the older image').argument('<image[:path]>', 'the newer image'),
  )
    .option('--metadata', 'show changes of mode, owner, time and attributes, too')
    .addHelpText('after', HELP)
    .action(async (before: string, after: string, flags: DiffFlags) => {
      const run = begin(command);
      const { output, settings } = run;
      // Loaded while a password is worked on.
      const [{ context }, { resolveImage }, { diffImages }] = await Promise.all([
        run.open(),
        loadImages(),
        loadDiff(),
      ]);
      const from = await resolveImage(context, argumentBytes(before), filterOf(flags));
      const to = await resolveImage(context, argumentBytes(after), filterOf(flags));
      const options = { metadata: flags.metadata, path: samePath(from.path, to.path) };
      if (!settings.json && !settings.quiet) {
        output.line(`comparing image ${shortId(from.image.id)} to ${shortId(to.image.id)}:`);
        output.line();
      }
      const changes = diffImages(context, from.image, to.image, options);
      for (let next = await changes.next(); ; next = await changes.next()) {
        if (next.done) {
          printStatistics(run, next.value);
          return;
        }
        const { path, modifier } = next.value;
        const room = settings.json
          ? output.json({ message_type: 'change', ...pathJson(path), modifier })
          : output.byteLine(modifier.padEnd(5) + output.path(path));
        if (room !== undefined) await room;
      }
    });
}

function samePath(before: ByteString | undefined, after: ByteString | undefined): ByteString | undefined {
  if (before === undefined || after === undefined || before === after) return before ?? after;
  throw new EverfullError(
    'usage',
    `Could not compare "${displayText(before)}" with "${displayText(after)}": they are different paths`,
    { advice: 'Give the same path for both images, or for one of them.' },
  );
}

function printStatistics({ output, settings }: Run, statistics: DiffStatistics): void {
  if (settings.json) {
    output.json({ message_type: 'statistics', ...statistics });
    return;
  }
  if (settings.quiet) return;
  const { added, removed, changed_files: changed } = statistics;
  const counts = (title: string, fresh: number, gone: number) =>
    `${title.padEnd(12)} ${String(fresh).padStart(5)} new, ${String(gone).padStart(5)} removed`;
  output.line();
  output.line(`${counts('Files:', added.files, removed.files)}, ${String(changed).padStart(5)} changed`);
  output.line(counts('Folders:', added.dirs, removed.dirs));
  output.line(counts('Others:', added.others, removed.others));
  output.line(counts('Chunks:', added.data_blobs, removed.data_blobs));
  output.line(counts('Nodes:', added.tree_blobs, removed.tree_blobs));
  output.line(`  Added:   ${formatBytes(added.bytes)}`);
  output.line(`  Removed: ${formatBytes(removed.bytes)}`);
}
