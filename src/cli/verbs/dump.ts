import { type Command, Option } from 'commander';
import { EverfullError } from '../../base/mod.ts';
import { type DumpRange, loadDump, loadImages } from '../../operations/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { filterOf, type ImageFlags, withImageChoice } from './image-options.ts';
import type { Begin } from './verb.ts';

interface DumpFlags extends ImageFlags {
  readonly archive?: 'tar' | 'zip';
  readonly range?: DumpRange;
}

const HELP = `
A range A-B is the bytes from A up to B, B itself left out: 0-4096 are the first 4 KiB. Without B it
reaches to the end.

Examples:
  $ everfull dump latest:/etc/passwd
  $ everfull dump latest:/etc --archive tar | tar -tv
  $ everfull dump --range 1048576-1052672 latest:/var/lib/db/data`;

export function define(command: Command, begin: Begin): void {
  withImageChoice(command.argument('<image:path>', 'the image, and what to write to standard output'))
    .addOption(
      new Option('-a, --archive <format>', 'write a folder, or all of the image, as an archive').choices([
        'tar',
        'zip',
      ]),
    )
    .addOption(
      new Option('--range <A-B>', 'only these bytes of a file').argParser(rangeOf).conflicts('archive'),
    )
    .addHelpText('after', HELP)
    .action(async (spec: string, flags: DumpFlags) => dump(begin(command), spec, flags));
}

async function dump(run: Run, spec: string, flags: DumpFlags): Promise<void> {
  const { output } = run;
  if (flags.archive !== undefined && output.isTerminal) {
    throw new EverfullError(
      'usage',
      `Could not write a ${flags.archive} archive: standard output is a terminal`,
      {
        advice: 'Send it to a file or into a pipe.',
      },
    );
  }
  // Loaded while a password is worked on.
  const [{ repository, context }, { resolveImage }, { dumpArchive, dumpFile }] = await Promise.all([
    run.open(),
    loadImages(),
    loadDump(),
  ]);
  const { image, path } = await resolveImage(context, argumentBytes(spec), filterOf(flags));
  if (path === undefined && flags.archive === undefined) {
    throw new EverfullError('usage', `Could not dump "${spec}": it names no file`, {
      advice: 'Write IMAGE:PATH, or choose an archive: --archive tar',
    });
  }
  const blocks =
    flags.archive === undefined
      ? dumpFile(context, image, path!, flags.range)
      : dumpArchive(context, image, path, flags.archive);
  let bytes = 0;
  for await (const block of blocks) {
    bytes += block.length;
    // Blocks may lie in memory that is used again while the pipe is not ready.
    await output.bytes(Buffer.from(block));
  }
  if (run.settings.json) {
    const summary = { message_type: 'summary', bytes, frames_read: repository.frames.read };
    process.stderr.write(`${JSON.stringify(summary)}\n`);
  }
}

/** Throws 'usage' for anything but `A-B` and `A-`. */
export function rangeOf(text: string): DumpRange {
  const [, from = '', to = ''] = /^(\d{1,16})-(\d{0,16})$/.exec(text) ?? [];
  const offset = Number(from);
  const end = to === '' ? Number.MAX_SAFE_INTEGER : Number(to);
  if (from === '' || !Number.isSafeInteger(offset) || !Number.isSafeInteger(end) || end < offset) {
    throw new EverfullError('usage', `Could not use the range "${text}": it is no A-B with A up to B`, {
      advice: 'Bytes from A up to B, B left out: 0-4096 are the first 4 KiB.',
    });
  }
  return { offset, length: end - offset };
}
