import { type Command, Option } from 'commander';
import { EverfullError, hexOf } from '../../base/mod.ts';
import { addDuration, type KeepDuration } from '../../operations/forgetting/mod.ts';
import { loadLock } from '../../operations/mod.ts';
import { argumentBytes } from '../opening/mod.ts';
import { durationOf } from './forget.ts';
import { formatTime, jsonTime } from './format.ts';
import { datasetText } from './hold.ts';
import { failAfterProblems, filterOf, type ImageFlags, time, withImageFilter } from './image-options.ts';
import type { Begin } from './verb.ts';

interface LockFlags extends ImageFlags {
  readonly dataset?: string;
  readonly until?: number;
  readonly for?: KeepDuration;
  readonly note?: string;
  readonly yes?: boolean;
}

const HELP = `
Until the time no image can be forgotten: none of those that there are, and none that is made before it. A lock can
be prolonged. NOBODY can shorten it or take it back, and until then the repository only grows. Locks are listed by:
everfull hold

Examples:
  $ everfull lock --for 30d
  $ everfull lock --dataset latest --until 2027-01-01`;

const DAY_MS = 24 * 60 * 60 * 1000;
/** Longer is likely a mistake, and one for good. */
const LONG_MS = 366 * DAY_MS;

export function define(command: Command, begin: Begin): void {
  withImageFilter(command)
    .option('--dataset <image>', 'lock only the dataset of this image')
    .option('--until <time>', 'until when: "2027-01-01 12:00"', time)
    .addOption(
      new Option('--for <duration>', 'for how long: 30d, 1y6m').argParser(durationOf).conflicts('until'),
    )
    .option('--note <text>', 'why; whoever has the repository can read it')
    .option('--yes', 'lock for more than a year')
    .addHelpText('after', HELP)
    .action(async (flags: LockFlags) => {
      const run = begin(command);
      const until = flags.for === undefined ? flags.until : addDuration(run.clock.now(), flags.for);
      if (until === undefined)
        throw new EverfullError('usage', 'Could not lock: neither --until nor --for says how long', {
          advice: 'See the locks with: everfull hold',
        });
      if (flags.dataset === undefined && (flags.host ?? flags.path ?? flags.tag) !== undefined)
        throw new EverfullError(
          'usage',
          'Could not lock: --host, --path and --tag narrow --dataset, and without it the whole repository would be locked',
          { advice: 'Name an image of the dataset: --dataset latest --host NAME' },
        );
      if (until - run.clock.now() > LONG_MS && flags.yes !== true)
        throw new EverfullError(
          'usage',
          `Could not lock until ${formatTime(until)}: that is ${Math.round((until - run.clock.now()) / DAY_MS)} days, and nobody could take it back`,
          { advice: 'In durations m means months. If it is what you want, add --yes.' },
        );
      // Loaded while a password is worked on.
      const [{ context }, { lockDataset }] = await Promise.all([run.open(), loadLock()]);
      const image = await lockDataset(context, {
        dataset: flags.dataset === undefined ? undefined : argumentBytes(flags.dataset),
        filter: filterOf(flags),
        until,
        note: argumentBytes(flags.note ?? ''),
      });
      failAfterProblems(run);
      if (run.settings.json) {
        run.output.json({
          message_type: 'locked',
          ...(image !== undefined && { dataset: hexOf(image.header.dataset) }),
          locked_until: jsonTime(until),
        });
      } else if (!run.settings.quiet)
        run.output.line(`${datasetText(image)} is locked until ${formatTime(until)}`);
    });
}
