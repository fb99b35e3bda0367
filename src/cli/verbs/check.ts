import { type Command, Option } from 'commander';
import { EverfullError } from '../../base/mod.ts';
import { type CheckReport, type Finding, loadCheck } from '../../operations/mod.ts';
import type { Run } from '../opening/mod.ts';
import { escapeText, formatBytes, fractionDone, type ProgressNumbers } from '../terminal/mod.ts';
import { pathJson } from './entry-text.ts';
import { shortId } from './image-options.ts';
import type { Begin } from './verb.ts';

interface CheckFlags {
  readonly readData?: boolean;
  readonly readDataSubset?: number;
}

const HELP = `
Without options everything but the contents of files is read and checked: keys, manifests, indexes, and that
each chunk is where it should be. What is damaged is named with every image and path that it touches.

Exit codes: 0 all is well; 1 something is damaged.

Examples:
  $ everfull check
  $ everfull check --read-data
  $ everfull check --read-data-subset 5%`;

export function define(command: Command, begin: Begin): void {
  command
    .option('--read-data', 'read and check every stored byte, too')
    .addOption(
      new Option('--read-data-subset <N%>', 'read and check this share of the packs, chosen anew each time')
        .argParser(percentOf)
        .conflicts('readData'),
    )
    .addHelpText('after', HELP)
    .action(async ({ readData, readDataSubset }: CheckFlags) => {
      const run = begin(command);
      // Loaded while a password is worked on.
      const [{ context }, { check }] = await Promise.all([run.open(), loadCheck()]);
      run.reporter.statusOf = statusJson;
      const subset = readDataSubset === undefined ? undefined : { percent: readDataSubset };
      const report = await check(context, { readData, subset });
      run.reporter.clear();
      for (const finding of report.findings) printFinding(run, finding);
      printSummary(run, report);
      if (report.errors === 0) return;
      throw new EverfullError(
        'damaged',
        `The repository at "${run.location}" is damaged: ${report.errors} ${report.errors === 1 ? 'error' : 'errors'}`,
        {
          advice: 'Every image and path that is touched is named above. All else can be restored.',
        },
      );
    });
}

/** Throws 'usage' for anything but a percentage above 0 and up to 100. */
export function percentOf(text: string): number {
  const percent = Number(/^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)?.[1]);
  if (percent > 0 && percent <= 100) return percent;
  throw new EverfullError('usage', `Could not use "${text}" as a share: it is not above 0% and up to 100%`, {
    advice: 'Write 5% or 0.5%.',
  });
}

function printFinding({ settings, output }: Run, { kind, object, error, images }: Finding): void {
  const message = escapeText(error.message);
  if (settings.json) {
    const line = {
      message_type: kind === 'error' ? 'error' : 'notice',
      message,
      object,
      images: images.map(({ id, paths, pathCount }) => ({
        id,
        paths: paths.map(pathJson),
        path_count: pathCount,
      })),
    };
    process.stderr.write(`${JSON.stringify(line)}\n`);
    return;
  }
  if (kind === 'note' && settings.quiet) return;
  output.line(`${kind}: ${message.includes(object) ? '' : `${object}: `}${message}`);
  if (error.advice !== undefined) output.line(`  ${escapeText(error.advice)}`);
  for (const { id, paths, pathCount } of images) {
    output.line(`  image ${shortId(id)}${paths.length === 0 ? ': all of it' : `: ${pathCount} paths`}`);
    for (const path of paths) output.byteLine(`    ${output.path(path)}`);
    if (pathCount > paths.length) output.line(`    and ${pathCount - paths.length} more`);
  }
}

function statusJson(progress: ProgressNumbers, secondsElapsed: number): object {
  return {
    message_type: 'status',
    seconds_elapsed: secondsElapsed,
    percent_done: fractionDone(progress) ?? 0,
    bytes_done: progress.bytesDone,
  };
}

function printSummary({ settings, output }: Run, report: CheckReport): void {
  if (settings.json) {
    output.json({
      message_type: 'summary',
      num_errors: report.errors,
      broken_packs: brokenPacks(report),
      suggest_repair_index: false,
      suggest_prune: false,
      num_notes: report.notes,
      objects: report.objects,
      bytes: report.bytes,
      images: report.images,
      packs: report.packs,
      nodes: report.nodes,
      packs_read: report.packsRead,
      frames_read: report.framesRead,
    });
    return;
  }
  if (settings.quiet) return;
  const data =
    report.packsRead === 0 ? '' : `; ${report.framesRead} frames of ${report.packsRead} packs read`;
  output.line(
    `checked ${report.objects} objects (${formatBytes(report.bytes)}), ${report.images} images, ${report.nodes} nodes${data}`,
  );
  output.line(report.errors === 0 ? 'no errors were found' : `${report.errors} errors were found`);
}

/** The names of the packs that errors are about. */
function brokenPacks({ findings }: CheckReport): string[] {
  const names = findings
    .filter(({ kind }) => kind === 'error')
    .map(({ object }) => /^packs\/..\/(.+)$/.exec(object)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}
