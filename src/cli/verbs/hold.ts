import { type Command, Option } from 'commander';
import { displayText, EverfullError, hexOf } from '../../base/mod.ts';
import { type DatasetLock, type HeldImage, loadHold } from '../../operations/mod.ts';
import type { Hold, Image } from '../../repository/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { escapePath, escapeText, tableLines } from '../terminal/mod.ts';
import { formatTime, jsonTime } from './format.ts';
import {
  failAfterProblems,
  filterOf,
  type ImageFlags,
  shortId,
  time,
  withImageFilter,
} from './image-options.ts';
import type { Begin } from './verb.ts';

interface HoldFlags extends ImageFlags {
  readonly until?: number;
  readonly note?: string;
  readonly release?: boolean;
}

const HELP = `
An image that is held cannot be forgotten until the time, or until it is released; without IMAGE the holds and
locks are listed. A lock (everfull lock) cannot be released.

Examples:
  $ everfull hold latest --note "before the upgrade"
  $ everfull hold 4f1c 77ab --until 2027-01-01
  $ everfull hold --release 4f1c
  $ everfull hold`;

export function define(command: Command, begin: Begin): void {
  withImageFilter(command.argument('[image...]', 'the images'))
    .option('--until <time>', 'hold them until this time: "2027-01-01 12:00"', time)
    .option('--note <text>', 'why, for those who find them held')
    .addOption(new Option('--release', 'hold them no longer').conflicts(['until', 'note']))
    .addHelpText('after', HELP)
    .action(async (specs: string[], flags: HoldFlags) => {
      const run = begin(command);
      if (specs.length === 0 && (flags.release || flags.until !== undefined || flags.note !== undefined))
        throw new EverfullError('usage', 'Could not choose what to hold or release: no image is named', {
          advice: 'See the ids with: everfull images',
        });
      // Loaded while a password is worked on.
      const [{ context }, { holdImages, listHolds, releaseImages }] = await Promise.all([
        run.open(),
        loadHold(),
      ]);
      const which = { images: specs.map(argumentBytes), filter: filterOf(flags) };
      if (specs.length === 0) {
        const { holds, locks } = await listHolds(context);
        printAll(run, holds, locks);
      } else if (flags.release) printDone(run, 'released', await releaseImages(context, which));
      else {
        const hold = { until: flags.until ?? 0, note: argumentBytes(flags.note ?? '') };
        printDone(run, 'held', await holdImages(context, { ...which, ...hold }), hold);
      }
      failAfterProblems(run);
    });
}

/** `hold_until` and `hold_note` of a hold, as far as it has them. */
function holdJson({ until, note }: Hold): object {
  return {
    ...(until !== 0 && { hold_until: jsonTime(until) }),
    ...(note !== '' && { hold_note: displayText(note) }),
  };
}

function printDone(
  { settings, output }: Run,
  type: 'held' | 'released',
  images: readonly Image[],
  hold?: Hold,
): void {
  if (settings.json) {
    const ids = images.map(({ id }) => hexOf(id));
    output.json({ message_type: type, ids, ...(hold !== undefined && holdJson(hold)) });
    return;
  }
  if (settings.quiet) return;
  const end = hold === undefined || hold.until === 0 ? '' : ` until ${formatTime(hold.until)}`;
  for (const { id, body } of images)
    output.line(`${type}${end}: image ${shortId(id)} of ${formatTime(body.time)}`);
}

function printAll(
  { settings, output }: Run,
  holds: readonly HeldImage[],
  locks: readonly DatasetLock[],
): void {
  if (settings.json) {
    output.json({
      message_type: 'holds',
      holds: holds.map(({ image, hold }) => ({ id: hexOf(image.id), ...holdJson(hold) })),
      locks: locks.map(({ image, lock: { until, note } }) => ({
        ...(image !== undefined && { dataset: hexOf(image.header.dataset), ...datasetJson(image) }),
        locked_until: jsonTime(until),
        ...(note !== '' && { note: displayText(note) }),
      })),
    });
    return;
  }
  for (const { image, lock } of locks) {
    const note = lock.note === '' ? '' : `: ${escapeText(displayText(lock.note))}`;
    output.line(`${datasetText(image)} is locked until ${formatTime(lock.until)}${note}`);
  }
  if (holds.length > 0) {
    const rows = holds.map(({ image: { id, body }, hold }) => [
      shortId(id),
      formatTime(body.time),
      escapePath(body.host),
      body.paths.map(escapePath),
      hold.until === 0 ? '' : formatTime(hold.until),
      escapeText(displayText(hold.note)),
    ]);
    const columns = ['ID', 'Time', 'Host', 'Paths', 'Until', 'Note'].map((title) => ({ title }));
    for (const line of tableLines(columns, rows)) output.line(line);
  }
  output.line(
    `${holds.length} ${holds.length === 1 ? 'hold' : 'holds'}, ${locks.length} ${locks.length === 1 ? 'lock' : 'locks'}`,
  );
}

/** What a dataset is called, for programs. */
function datasetJson({ body }: Image): object {
  return {
    hostname: displayText(body.host),
    paths: body.paths.map(displayText),
    ...(body.name !== '' && { name: displayText(body.name) }),
  };
}

/** What a dataset is called, by an image of it; without one the repository. */
export function datasetText(image: Image | undefined): string {
  if (image === undefined) return 'The repository';
  const { host, name, paths } = image.body;
  const what = name === '' ? paths.map(escapePath).join(', ') : `"${escapeText(displayText(name))}"`;
  return `The dataset ${what} of ${escapePath(host)}`;
}
