import { type Command, Option } from 'commander';
import { type ByteString, displayText, EverfullError } from '../../base/mod.ts';
import {
  type KeepDuration,
  type KeepPolicy,
  type PeriodName,
  parseKeepDuration,
} from '../../operations/forgetting/mod.ts';
import { type ForgottenGroup, type GroupBy, loadForget } from '../../operations/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { escapePath, escapeText, tableLines } from '../terminal/mod.ts';
import { formatTime } from './format.ts';
import {
  failAfterProblems,
  filterOf,
  type ImageFlags,
  imageJson,
  shortId,
  withImageFilter,
} from './image-options.ts';
import { type PruneFlags, printPruned, pruneOptions, runPrune } from './prune.ts';
import { type Begin, collect } from './verb.ts';

interface ForgetFlags extends ImageFlags, Omit<PruneFlags, 'dryRun'> {
  readonly keepLast?: number;
  readonly keepHourly?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
  readonly keepYearly?: number;
  readonly keepWithin?: KeepDuration;
  readonly keepWithinHourly?: KeepDuration;
  readonly keepWithinDaily?: KeepDuration;
  readonly keepWithinWeekly?: KeepDuration;
  readonly keepWithinMonthly?: KeepDuration;
  readonly keepWithinYearly?: KeepDuration;
  readonly keepTag?: readonly ByteString[];
  readonly groupBy: readonly GroupBy[];
  readonly allowEmptyDataset?: boolean;
  readonly dryRun?: boolean;
  readonly compact?: boolean;
  readonly prune?: boolean;
}

const HELP = `
Without IMAGE the rules say what stays; an image stays if any of them keeps it. Of each hour, day, week, month or
year the newest image counts, by the time at which the repository took it. Besides, an image stays that is held
(everfull hold) or locked (everfull lock), and the last image of each dataset, whatever the rules say.

A forgotten image is gone at once and for good; the room that it took is given back by prune.

Examples:
  $ everfull forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
  $ everfull forget --keep-within-daily 7d --keep-yearly unlimited --prune
  $ everfull forget --host web1 --keep-last 3 --keep-tag release
  $ everfull forget 4f1c 77ab`;

export function define(command: Command, begin: Begin): void {
  withImageFilter(command.argument('[image...]', 'forget these images, and no others'));
  const options = [
    counted('-l, --keep-last <n>', 'keep the last n images'),
    counted('--keep-hourly <n>', 'keep the last image of each of the last n hours that have one'),
    counted('-d, --keep-daily <n>', 'the same with days'),
    counted('-w, --keep-weekly <n>', 'the same with weeks, which begin on Monday'),
    counted('-m, --keep-monthly <n>', 'the same with months'),
    counted('-y, --keep-yearly <n>', 'the same with years'),
    lasting('--keep-within <duration>', 'keep all images since so long before the newest: 1y6m14d12h'),
    lasting('--keep-within-hourly <duration>', 'of these, keep the last one of each hour'),
    lasting('--keep-within-daily <duration>', 'the same with days'),
    lasting('--keep-within-weekly <duration>', 'the same with weeks'),
    lasting('--keep-within-monthly <duration>', 'the same with months'),
    lasting('--keep-within-yearly <duration>', 'the same with years'),
    new Option('--keep-tag <tag[,tag]>', 'keep images with all of these tags; may be repeated').argParser(
      (text, earlier?: ByteString[]) => collect(argumentBytes(text), earlier),
    ),
    new Option(
      '-g, --group-by <what>',
      'apply the rules to images alike in these: host, paths, tags; "" for none',
    )
      .argParser(groupBy)
      .default(['host', 'paths'], 'host,paths'),
    new Option('--allow-empty-dataset', 'let IMAGE be the last of its dataset'),
    new Option('-n, --dry-run', 'change nothing, say what would go'),
    new Option('-c, --compact', 'show a line for each image'),
    new Option('--prune', 'delete afterwards what no image uses any more'),
    ...pruneOptions().map((option) => option.helpGroup('With --prune:')),
  ];
  for (const option of options) command.addOption(option);
  command
    .addHelpText('after', HELP)
    .action(async (images: string[], flags: ForgetFlags) => forgetImages(begin(command), images, flags));
}

function counted(words: string, about: string): Option {
  return new Option(words, about).argParser((text) => {
    if (text === 'unlimited' || text === '-1') return Infinity;
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new EverfullError('usage', `Could not keep "${text}" images: it is no whole number`, {
      advice: 'Write a number, or "unlimited".',
    });
  });
}

function lasting(words: string, about: string): Option {
  return new Option(words, about).argParser(durationOf);
}

/** Throws 'usage' for anything but a length of time: `1y6m14d12h`, or a part of it. */
export function durationOf(text: string): KeepDuration {
  const duration = parseKeepDuration(text);
  if (duration !== undefined) return duration;
  throw new EverfullError('usage', `Could not use "${text}" as a length of time: it is none`, {
    advice: 'Write years, months, days and hours in this order: 1y6m14d12h, or 30d.',
  });
}

const GROUP_WORDS: Readonly<Record<string, GroupBy>> = {
  host: 'host',
  hosts: 'host',
  path: 'paths',
  paths: 'paths',
  tag: 'tags',
  tags: 'tags',
};

function groupBy(text: string): GroupBy[] {
  if (text === '') return [];
  return text.split(',').map((word) => {
    const by = GROUP_WORDS[word.trim()];
    if (by !== undefined) return by;
    throw new EverfullError(
      'usage',
      `Could not group images by "${word}": it is none of host, paths and tags`,
    );
  });
}

function policyOf(flags: ForgetFlags): KeepPolicy {
  const counts: Partial<Record<PeriodName, number | undefined>> = {
    last: flags.keepLast,
    hourly: flags.keepHourly,
    daily: flags.keepDaily,
    weekly: flags.keepWeekly,
    monthly: flags.keepMonthly,
    yearly: flags.keepYearly,
  };
  const within: Partial<Record<PeriodName, KeepDuration | undefined>> = {
    last: flags.keepWithin,
    hourly: flags.keepWithinHourly,
    daily: flags.keepWithinDaily,
    weekly: flags.keepWithinWeekly,
    monthly: flags.keepWithinMonthly,
    yearly: flags.keepWithinYearly,
  };
  return { counts: given(counts), within: given(within), tags: flags.keepTag ?? [] };
}

/** Without those that were not given. */
function given<T>(rules: Partial<Record<PeriodName, T | undefined>>): Partial<Record<PeriodName, T>> {
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
}

async function forgetImages(run: Run, specs: readonly string[], flags: ForgetFlags): Promise<void> {
  const { dryRun = false } = flags;
  // Loaded while a password is worked on.
  const [{ context }, { forget }] = await Promise.all([run.open(), loadForget()]);
  const groups = await forget(context, {
    policy: policyOf(flags),
    groupBy: flags.groupBy,
    filter: filterOf(flags),
    images: specs.map(argumentBytes),
    allowEmptyDataset: flags.allowEmptyDataset ?? false,
    dryRun,
  });
  failAfterProblems(run);
  if (run.settings.json) run.output.json(groups.map(groupJson));
  else if (!run.settings.quiet) printGroups(run, groups, flags);
  if (!flags.prune) return;
  const summary = await runPrune(run, flags);
  run.reporter.clear();
  printPruned(run, summary, dryRun);
}

function groupJson({ host = '', paths = [], tags = [], keep, remove }: ForgottenGroup): object {
  return {
    tags: tags.map(displayText),
    host: displayText(host),
    paths: paths.map(displayText),
    keep: keep.map(({ image }) => imageJson(image)),
    remove: remove.map(imageJson),
    reasons: keep.map(({ image, reasons }) => ({ snapshot: imageJson(image), matches: reasons })),
  };
}

function printGroups({ output }: Run, groups: readonly ForgottenGroup[], flags: ForgetFlags): void {
  const { dryRun, compact = false, prune } = flags;
  let stay = 0;
  let go = 0;
  for (const group of groups) {
    const { keep, remove } = group;
    stay += keep.length;
    go += remove.length;
    const of = groupTitle(group);
    if (keep.length > 0) {
      output.line(`${countOf(keep.length)}${of} ${keep.length === 1 ? 'stays' : 'stay'}:`);
      const rows = keep.map(({ image, reasons }) => [
        ...rowOf(image, compact),
        compact ? reasons.join(', ') : reasons,
      ]);
      for (const line of tableLines([...titles(compact), { title: 'Why' }], rows)) output.line(line);
      output.line();
    }
    if (remove.length > 0) {
      output.line(`${countOf(remove.length)}${of} ${remove.length === 1 ? 'goes' : 'go'}:`);
      for (const line of tableLines(
        titles(compact),
        remove.map((image) => rowOf(image, compact)),
      ))
        output.line(line);
      output.line();
    }
  }
  const gone = dryRun ? `${countOf(go)} would be forgotten` : `${countOf(go)} forgotten`;
  output.line(stay === 0 ? gone : `${gone}, ${stay} ${stay === 1 ? 'stays' : 'stay'}`);
  if (go > 0 && !dryRun && !prune) output.line('The room that they took is given back by: everfull prune');
}

function countOf(count: number): string {
  return `${count} ${count === 1 ? 'image' : 'images'}`;
}

function groupTitle({ host, paths, tags }: ForgottenGroup): string {
  const parts = [
    host === undefined ? undefined : `host ${escapePath(host)}`,
    paths === undefined
      ? undefined
      : `${paths.length === 1 ? 'path' : 'paths'} ${paths.map(escapePath).join(', ')}`,
    tags === undefined ? undefined : `tags ${tags.map((tag) => escapeText(displayText(tag))).join(', ')}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? '' : ` of ${parts.join(', ')}`;
}

function titles(compact: boolean): { title: string }[] {
  const names = compact ? ['ID', 'Time', 'Host', 'Tags'] : ['ID', 'Time', 'Host', 'Tags', 'Paths'];
  return names.map((title) => ({ title }));
}

function rowOf({ id, committed, body }: Image, compact: boolean): (string | string[])[] {
  const tags = body.tags.map((tag) => escapeText(displayText(tag)));
  const row = [shortId(id), formatTime(committed), escapePath(body.host)];
  return compact ? [...row, tags.join(', ')] : [...row, tags, body.paths.map(escapePath)];
}
