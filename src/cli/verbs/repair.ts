import type { Command } from 'commander';
import { displayText, hexOf } from '../../base/mod.ts';
import {
  type GivenUp,
  type ImageRepair,
  type IndexRepair,
  type LostPart,
  loadGiveUp,
  loadRepair,
  loadRepairImages,
  type PackRepair,
} from '../../operations/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { escapeText, formatBytes } from '../terminal/mod.ts';
import { pathJson } from './entry-text.ts';
import { shortId } from './image-options.ts';
import type { Begin } from './verb.ts';

interface RepairFlags {
  readonly yes?: boolean;
}

interface ImagesFlags extends RepairFlags {
  readonly keepPartial?: boolean;
}

const HELP = `
Without --yes nothing is changed: you are told what would be.

What is damaged is known by "everfull verify". First back up the same data again, which stores anew what it
can and heals every image; then repair what is left:
  index    index segments are made to say what the packs say. Needs no key
  packs    what is sound in damaged packs is copied to new ones; prune deletes the old ones. Needs no key,
           but for packs whose own table is lost
  retention  damaged records of what was forgotten, held and locked are given up, and the rest restated.
           Needs no key
  images   for each image that lost something a new one is made of what is left, with the same time and paths
           and the tag "repaired"; the old one is forgotten, unless it is held or locked. An image whose
           manifest or end record is lost is given up: without that nothing can be restored of it, and
           nothing be pruned

Examples:
  $ everfull repair index
  $ everfull repair packs --yes
  $ everfull repair images --yes
  $ everfull repair images latest --keep-partial --yes`;

export function define(command: Command, begin: Begin): void {
  command.helpCommand(false).addHelpText('after', HELP);
  const yes = ['--yes', 'do it; without this nothing is changed'] as const;
  command
    .command('index')
    .description('make index segments say what the packs say')
    .option(...yes)
    .action(async (flags: RepairFlags, index: Command) => repairIndex(begin(index), flags));
  command
    .command('packs')
    .description('copy what is sound in damaged packs to new ones')
    .option(...yes)
    .action(async (flags: RepairFlags, packs: Command) => repairPacks(begin(packs), flags));
  command
    .command('retention')
    .description('give up damaged records of what was forgotten, held and locked')
    .option(...yes)
    .action(async (flags: RepairFlags, retention: Command) => repairRetention(begin(retention), flags));
  command
    .command('images')
    .description('make new images of what is left of damaged ones')
    .argument('[image...]', 'only these images')
    .option(...yes)
    .option('--keep-partial', 'keep files that lost bytes, with holes there, as NAME.damaged')
    .action(async (specs: string[], flags: ImagesFlags, images: Command) =>
      repairImages(begin(images), specs, flags),
    );
}

async function repairRetention(run: Run, { yes = false }: RepairFlags): Promise<void> {
  const [{ context }, { repairRetention }] = await Promise.all([run.openStore(), loadRepair()]);
  const { lost } = await repairRetention(context, { dryRun: !yes });
  if (run.settings.json) {
    run.output.json({ message_type: 'summary', dry_run: !yes, records_lost: lost });
    return;
  }
  for (const name of lost)
    run.output.line(
      `${name} cannot be read: what it forgot is there again, what it held or locked is not any more`,
    );
  if (lost.length === 0) run.output.line('nothing to repair: every decision on retention can be read');
  else printHint(run.output, !yes);
}

async function repairIndex(run: Run, { yes = false }: RepairFlags): Promise<void> {
  const [{ context }, { repairIndex }] = await Promise.all([run.openStore(), loadRepair()]);
  const repair = await repairIndex(context, { dryRun: !yes });
  run.reporter.clear();
  if (run.settings.json) run.output.json(indexJson(repair, !yes));
  else printIndex(run, repair, !yes);
  // What could not be repaired is still wrong.
  if (repair.unreadable.length > 0) run.exitCode = 1;
}

function indexJson({ packs, segments, wrong, uncovered, unreadable }: IndexRepair, dryRun: boolean): object {
  const faults = (list: IndexRepair['wrong']) =>
    list.map(({ object, error }) => ({ object, message: error.message }));
  return {
    message_type: 'summary',
    dry_run: dryRun,
    packs,
    segments,
    deleted: faults(wrong),
    written_for: uncovered,
    unreadable: faults(unreadable),
  };
}

function printIndex({ output }: Run, repair: IndexRepair, dryRun: boolean): void {
  const { packs, segments, wrong, uncovered, unreadable } = repair;
  for (const { object, error } of wrong)
    output.line(`${dryRun ? 'would delete' : 'deleted'} ${object}: ${escapeText(error.message)}`);
  for (const pack of uncovered)
    output.line(`${dryRun ? 'would write' : 'wrote'} the index segment of ${pack}`);
  for (const { object, error } of unreadable)
    output.line(`not known what is in ${object}: ${escapeText(error.message)}`);
  if (wrong.length + uncovered.length + unreadable.length === 0)
    output.line(`nothing to repair: ${segments} index segments say what ${packs} packs hold`);
  else printHint(output, dryRun);
}

function printHint(output: Run['output'], dryRun: boolean): void {
  if (dryRun) output.line('nothing was changed: say --yes to do it');
}

async function repairPacks(run: Run, { yes = false }: RepairFlags): Promise<void> {
  const [{ context }, { repairPacks }] = await Promise.all([run.openStore(), loadRepair()]);
  const opened = await run.openUnasked();
  const repairs = await repairPacks(context, { dryRun: !yes, repository: opened?.repository });
  run.reporter.clear();
  if (run.settings.json) run.output.json(packsJson(repairs, !yes));
  else printPacks(run, repairs, !yes);
}

function packsJson(repairs: readonly PackRepair[], dryRun: boolean): object {
  return {
    message_type: 'summary',
    dry_run: dryRun,
    packs: repairs.map((repair) => ({
      pack: repair.pack,
      gone: repair.isGone,
      frames_copied: repair.copied,
      bytes_copied: repair.bytesCopied,
      frames_elsewhere: repair.elsewhere,
      frames_lost: repair.lost.map(hexOf),
      frames_untold: repair.untold,
    })),
  };
}

function printPacks({ output }: Run, repairs: readonly PackRepair[], dryRun: boolean): void {
  for (const { pack, isGone, copied, bytesCopied, elsewhere, lost, untold } of repairs) {
    output.line(
      isGone
        ? `${pack} is gone: ${elsewhere} of its frames are elsewhere, ${lost.length} are lost`
        : `${pack}: ${copied} frames (${formatBytes(bytesCopied)}) ${dryRun ? 'would be copied' : 'copied'}, ${elsewhere} are elsewhere, ${lost.length} are lost`,
    );
    for (const id of lost.slice(0, LOST_NAMED_MAX)) output.line(`  lost ${hexOf(id)}`);
    if (lost.length > LOST_NAMED_MAX) output.line(`  and ${lost.length - LOST_NAMED_MAX} more`);
    if (untold > 0)
      output.line(`  of ${untold} of these only a key can tell: name one with --key-file or -p`);
  }
  if (repairs.length === 0)
    output.line('nothing to repair: no damage is recorded; find it with: everfull verify');
  else printHint(output, dryRun);
}

/** So many lost frames of a pack are named. */
const LOST_NAMED_MAX = 20;

async function repairImages(run: Run, specs: string[], flags: ImagesFlags): Promise<void> {
  const { yes = false, keepPartial = false } = flags;
  const [{ context }, { repairImages }, { giveUpImages }] = await Promise.all([
    run.open(),
    loadRepairImages(),
    loadGiveUp(),
  ]);
  // First: what cannot be read is then not named again as an error.
  const given = specs.length === 0 ? await giveUpImages(context, { dryRun: !yes }) : [];
  const repairs = await repairImages(context, {
    specs: specs.map(argumentBytes),
    keepPartial,
    dryRun: !yes,
    compression: run.settings.compression,
    program: `everfull ${run.version}`,
  });
  run.reporter.clear();
  if (run.settings.json) run.output.json(imagesJson(repairs, given, !yes));
  else printImages(run, repairs, given, !yes);
  // Images that could not be read were named.
  if (run.reporter.errors > 0) run.exitCode = 1;
}

function imagesJson(repairs: readonly ImageRepair[], given: readonly GivenUp[], dryRun: boolean): object {
  return {
    message_type: 'summary',
    dry_run: dryRun,
    images: repairs.map(({ image, lost, isAnyLeft, repairedAs, isForgotten }) => ({
      id: hexOf(image.id),
      ...(repairedAs !== undefined && { repaired_as: hexOf(repairedAs) }),
      forgotten: isForgotten,
      anything_left: isAnyLeft,
      lost: lost.map(lostJson),
    })),
    given_up: given.map(({ object, error, isForgotten }) => ({
      object,
      message: error.message,
      forgotten: isForgotten,
    })),
  };
}

function lostJson({ kind, path, to, entries, bytesLost, size, keptAs }: LostPart): object {
  return {
    kind,
    ...pathJson(path),
    ...(kind === 'entries' && { entries, ...(to !== undefined && { before: displayText(to) }) }),
    ...(kind === 'content' && { bytes_lost: bytesLost, size }),
    ...(keptAs !== undefined && { kept_as: displayText(keptAs) }),
  };
}

function printImages(
  { output }: Run,
  repairs: readonly ImageRepair[],
  given: readonly GivenUp[],
  dryRun: boolean,
): void {
  for (const { object, error, isForgotten } of given) {
    const outcome = dryRun
      ? 'would be given up: nobody can tell what it holds'
      : isForgotten
        ? 'is given up'
        : 'stays: it is held or locked';
    output.line(`the image of ${object} ${outcome} (${escapeText(error.message)})`);
  }
  for (const { image, lost, isAnyLeft, repairedAs, isForgotten } of repairs) {
    const outcome = !isAnyLeft
      ? 'nothing is left of it'
      : dryRun
        ? 'would be made anew of what is left'
        : `made anew as ${shortId(repairedAs!)}; ${isForgotten ? 'the old one is forgotten' : 'the old one stays: it is held or locked'}`;
    output.line(`image ${shortId(image.id)}: ${outcome}`);
    for (const part of lost) output.byteLine(`  ${lineOf(output, part)}`);
  }
  if (repairs.length + given.length === 0)
    output.line('nothing to repair: no image lost anything that is known');
  else printHint(output, dryRun);
}

function lineOf(
  output: Run['output'],
  { kind, path, to, entries, bytesLost, size, keptAs }: LostPart,
): string {
  const shown = output.path(path);
  if (kind === 'attributes') return `lost the attributes of ${shown}`;
  if (kind === 'entries')
    return `lost ${entries} entries from ${shown} on${to === undefined ? '' : `, before ${output.path(to)}`}`;
  return `lost ${bytesLost} of ${size} bytes of ${shown}${keptAs === undefined ? '' : `; the rest is ${output.path(keptAs)}`}`;
}
