import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type ByteString, displayText, EverfullError } from '../../base/mod.ts';
import { parseExcludeFile, RestoreSelection } from '../../capture/select/mod.ts';
import { loadImages, loadRestore, type RestoreSummary } from '../../operations/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { formatBytes, formatDuration, fractionDone, type ProgressNumbers } from '../terminal/mod.ts';
import { filterOf, type ImageFlags, shortId, withImageChoice } from './image-options.ts';
import { readList } from './sources.ts';
import { type Begin, collect } from './verb.ts';

interface RestoreFlags extends ImageFlags {
  readonly target: string;
  readonly include?: readonly string[];
  readonly iinclude?: readonly string[];
  readonly includeFile?: readonly string[];
  readonly exclude?: readonly string[];
  readonly iexclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly overwrite: 'always' | 'if-changed' | 'if-newer' | 'never';
  readonly delete?: boolean;
  readonly strip: number;
  readonly partial?: boolean;
  readonly verify?: boolean;
  readonly dryRun?: boolean;
}

const HELP = `
IMAGE puts each path at the target plus its stored path. IMAGE:PATH puts the contents of PATH into the
target, which takes the mode, owner and times of PATH. What is already right is neither fetched nor
written, so an interrupted restore goes on when it is run again.

Examples:
  $ everfull restore latest --target /
  $ everfull restore latest:/home/ada --target /tmp/ada --exclude '*.iso'
  $ everfull restore latest --at "2026-03-29 14:05" --target /tmp/then --include /etc`;

export function define(command: Command, begin: Begin): void {
  withImageChoice(command.argument('<image[:path]>', 'the image, and a path in it'));
  const options = [
    new Option('-t, --target <folder>', 'where to; made if it is missing').makeOptionMandatory(),
    repeated('-i, --include <pattern>', 'restore only what fits'),
    repeated('--iinclude <pattern>', 'the same, ignoring case'),
    repeated('--include-file <file>', 'restore only what fits a pattern of a file'),
    repeated('-e, --exclude <pattern>', 'leave out what fits'),
    repeated('--iexclude <pattern>', 'the same, ignoring case'),
    repeated('--exclude-file <file>', 'leave out what fits a pattern of a file'),
    new Option('--overwrite <when>', 'what to do with files that are there')
      .choices(['always', 'if-changed', 'if-newer', 'never'])
      .default('always'),
    new Option('--delete', 'remove what the image does not have'),
    new Option('--strip <count>', 'drop so many leading folders of each path').argParser(count).default(0),
    new Option('--partial', 'keep the sound ranges of damaged files, as NAME.partial'),
    new Option('--verify', 'read everything back and compare'),
    new Option('-n, --dry-run', 'write nothing, say what would be done'),
    // Holes are always restored; scripts written for restic ask for it.
    new Option('--sparse').hideHelp(),
  ];
  for (const option of options) command.addOption(option);
  command
    .addHelpText('after', HELP)
    .action(async (spec: string, flags: RestoreFlags) => restoreImage(begin(command), spec, flags));
}

function repeated(words: string, about: string): Option {
  return new Option(words, `${about}; may be repeated`).argParser(collect<string>);
}

function count(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new EverfullError('usage', `Could not strip "${text}" folders: it is no whole number`);
}

async function restoreImage(run: Run, spec: string, flags: RestoreFlags): Promise<void> {
  const { settings, reporter, output } = run;
  const selection = selectionOf(flags);
  const target = resolve(flags.target);
  if (target === '/' && flags.delete && !hasPatterns(flags)) {
    throw new EverfullError(
      'usage',
      'Could not restore into "/" with --delete: all that the image does not have would be gone',
      {
        advice: 'Say with --include or --exclude what is meant.',
      },
    );
  }
  // Loaded while a password is worked on.
  const [{ repository, context }, { resolveImage }, { restore }] = await Promise.all([
    run.open(),
    loadImages(),
    loadRestore(),
  ]);
  const { image, path } = await resolveImage(context, argumentBytes(spec), filterOf(flags));
  reporter.statusOf = statusJson;
  if (!settings.json && !settings.quiet) output.line(`restoring image ${shortId(image.id)} to ${target}`);
  await output.flush();
  const start = run.clock.monotonic();
  const summary = await restore(context, {
    image,
    path,
    target,
    select: (path: ByteString) => selection.choose(path),
    overwrite: flags.overwrite,
    delete: flags.delete ?? false,
    strip: flags.strip,
    partial: flags.partial ?? false,
    verify: flags.verify ?? false,
    dryRun: flags.dryRun ?? false,
    onItem:
      settings.verbose === 0
        ? undefined
        : (action, path, bytes) => {
            if (settings.verbose < 2 && action === 'unchanged') return;
            if (settings.json) {
              output.json({ message_type: 'verbose_status', action, item: displayText(path), size: bytes });
            } else {
              output.byteLine(`${action.padEnd(9)} ${output.path(path)}, ${formatBytes(bytes)}`);
            }
          },
  });
  reporter.clear();
  printSummary(run, summary, run.clock.monotonic() - start, flags.dryRun ?? false, repository.frames.read);
  run.profile(summary.stages);
  const failed = summary.filesFailed + summary.metadataProblems + summary.filesDiffering;
  if (failed === 0 && reporter.errors === 0) return;
  await output.flush();
  throw new EverfullError(
    'target',
    `Could not restore everything: ${reporter.errors} ${reporter.errors === 1 ? 'error' : 'errors'}`,
    {
      advice: 'The errors above name what is missing or not as it was. The rest is restored.',
    },
  );
}

function hasPatterns(flags: RestoreFlags): boolean {
  const { include, iinclude, includeFile, exclude, iexclude, excludeFile } = flags;
  return [include, iinclude, includeFile, exclude, iexclude, excludeFile].some((list) => list !== undefined);
}

function selectionOf(flags: RestoreFlags): RestoreSelection {
  const patterns = (given: readonly string[] = [], files: readonly string[] = []) => [
    ...given.map(argumentBytes),
    ...files.flatMap((file) => parseExcludeFile(readList(file))),
  ];
  return new RestoreSelection({
    includes: patterns(flags.include, flags.includeFile),
    iincludes: patterns(flags.iinclude),
    excludes: patterns(flags.exclude, flags.excludeFile),
    iexcludes: patterns(flags.iexclude),
  });
}

function statusJson(progress: ProgressNumbers, secondsElapsed: number): object {
  return {
    message_type: 'status',
    seconds_elapsed: secondsElapsed,
    percent_done: fractionDone(progress) ?? 0,
    total_files: progress.filesTotal ?? 0,
    files_restored: progress.filesDone,
    total_bytes: progress.bytesTotal ?? 0,
    bytes_restored: progress.bytesDone,
  };
}

function printSummary(
  { settings, output }: Run,
  summary: RestoreSummary,
  elapsedMs: number,
  dryRun: boolean,
  framesRead: { readonly chunks: number; readonly nodes: number },
): void {
  if (settings.json) {
    output.json({
      message_type: 'summary',
      seconds_elapsed: Math.floor(elapsedMs / 1000),
      ...(dryRun && { dry_run: true }),
      total_files: summary.totalFiles,
      files_restored: summary.filesRestored,
      files_skipped: summary.filesSkipped,
      files_deleted: summary.filesDeleted,
      files_failed: summary.filesFailed,
      files_partial: summary.filesPartial,
      files_verified: summary.filesVerified,
      total_bytes: summary.totalBytes,
      bytes_restored: summary.bytesRestored,
      bytes_skipped: summary.bytesSkipped,
      frames_read: framesRead,
    });
    return;
  }
  if (settings.quiet) return;
  const verb = dryRun ? 'would restore' : 'restored';
  output.line(
    `${verb} ${summary.filesRestored} of ${summary.totalFiles} entries, ${formatBytes(summary.bytesRestored)} of ${formatBytes(summary.totalBytes)} in ${formatDuration(elapsedMs)}`,
  );
  if (summary.filesSkipped > 0)
    output.line(`left as they were: ${summary.filesSkipped}, ${formatBytes(summary.bytesSkipped)}`);
  if (summary.filesDeleted > 0) output.line(`removed: ${summary.filesDeleted}`);
  if (summary.filesVerified > 0) output.line(`read back and compared: ${summary.filesVerified}`);
  if (summary.filesFailed > 0)
    output.line(`failed: ${summary.filesFailed}, kept in part: ${summary.filesPartial}`);
}
