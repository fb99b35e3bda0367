import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { bytesOf, displayText, EverfullError } from '../../base/mod.ts';
import {
  type BackupItem,
  type BackupOptions,
  type BackupSummary,
  loadBackup,
  loadImages,
} from '../../operations/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import {
  formatBytes,
  formatDuration,
  fractionDone,
  type ProgressNumbers,
  secondsLeft,
} from '../terminal/mod.ts';
import { jsonTime } from './format.ts';
import { shortId, time } from './image-options.ts';
import {
  type ListFlags,
  outputOf,
  type Piped,
  pathsOf,
  type SelectionFlags,
  selectionOf,
  standardInput,
} from './sources.ts';
import { type Begin, collect } from './verb.ts';

interface BackupFlags extends SelectionFlags, ListFlags {
  readonly host?: string;
  readonly tag?: readonly string[];
  readonly name?: string;
  readonly time?: number;
  readonly parent?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly skipIfUnchanged?: boolean;
  readonly readConcurrency?: number;
  readonly stdin?: boolean;
  readonly stdinFilename: string;
  readonly stdinFromCommand?: boolean;
}

const HELP = `
Paths are stored as absolute ones. With no -r and no EVERFULL_REPOSITORY the embedded repository is used,
and made the first time. What Everfull writes itself is left out: repository, key file, caches.

Exit codes: 0 everything was backed up; 3 an image was made, but some source could not be read; 1 no image.

Examples:
  $ everfull backup ~/Documents /etc
  $ everfull -r /srv/backup backup --exclude '*.tmp' --exclude-caches --tag daily /home
  $ find /data -name '*.db' -print0 | everfull backup --files-from-raw -
  $ everfull backup --stdin-from-command --stdin-filename db.sql -- pg_dump db`;

export function define(command: Command, begin: Begin): void {
  command.argument('[path...]', 'files and folders');
  for (const option of selectionOptions()) command.addOption(option.helpGroup('What to back up:'));
  command
    .option('-H, --host <name>', 'the host that the image is of (EVERFULL_HOST; the name of this machine)')
    .option('--tag <tag[,tag]>', 'mark the image; may be repeated', collect<string>)
    .option('--name <name>', 'name the dataset, in place of its paths')
    .option('--time <time>', 'the time that the image bears: "2026-03-29 14:05"', time)
    .option('--parent <image>', 'the image to compare with; the newest of the same paths unless given')
    .option('-f, --force', 'read every file, also those that seem unchanged')
    .option('-n, --dry-run', 'store nothing, say what would be stored')
    .option('--skip-if-unchanged', 'make no image where nothing changed')
    .option('--read-concurrency <count>', 'how many files are read at once', positiveInteger)
    .addHelpText('after', HELP)
    .action(async (paths: string[], flags: BackupFlags) => backUp(begin(command), paths, flags));
}

function selectionOptions(): Option[] {
  const repeated = (words: string, about: string) =>
    new Option(words, `${about}; may be repeated`).argParser(collect<string>);
  return [
    repeated('-e, --exclude <pattern>', 'leave out what fits'),
    repeated('--iexclude <pattern>', 'the same, ignoring case'),
    repeated('--exclude-file <file>', 'leave out what fits a pattern of a file'),
    repeated('--iexclude-file <file>', 'the same, ignoring case'),
    new Option('--exclude-caches', 'leave out what is in folders marked by a CACHEDIR.TAG'),
    repeated('--exclude-if-present <name[:header]>', 'leave out what is in folders that hold such a file'),
    new Option('--exclude-larger-than <size>', 'leave out files above a size: 500k, 10M, 2G'),
    new Option('-x, --one-file-system', 'leave out other file systems below the paths'),
    repeated('--files-from <file>', 'back up what the patterns in a file fit, one a line'),
    repeated('--files-from-verbatim <file>', 'back up the paths in a file, one a line'),
    repeated('--files-from-raw <file>', 'back up the paths in a file, each ended by NUL'),
    new Option('--stdin', 'back up standard input as one file'),
    new Option('--stdin-filename <path>', 'the path of that file in the image').default('stdin'),
    new Option('--stdin-from-command', 'back up what a command prints; fails as the command fails'),
  ];
}

export function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is not a whole number above 0.');
  return Number(text);
}

async function backUp(run: Run, given: string[], flags: BackupFlags): Promise<void> {
  const { settings, reporter } = run;
  if (flags.stdin && flags.stdinFromCommand) {
    throw new EverfullError('usage', 'Could not back up: both --stdin and --stdin-from-command are given');
  }
  if (flags.stdin && given.length > 0) {
    throw new EverfullError(
      'usage',
      `Could not back up standard input: the path "${given[0]}" is given, too`,
    );
  }
  const isPiped = flags.stdin || flags.stdinFromCommand;
  const paths = isPiped ? [] : pathsOf(given, flags, reporter);
  const { selection, excludes } = selectionOf(flags);
  const opening = run.open({ makeEmbedded: !flags.dryRun });
  // Met below; until then it is nobody's.
  opening.catch(() => {});
  const { backup, walkAhead } = await loadBackup();
  const { ownPaths } = run;
  // What is yet to be made has no true path before.
  const isReady = !isPiped && ownPaths.every((path) => existsSync(bytesOf(path)));
  const ahead = isReady ? walkAhead({ paths, selection, leaveOut: ownPaths }, run.clock) : undefined;
  let piped: Piped | undefined;
  let summary: BackupSummary;
  try {
    const { context } = await opening;
    let parent: BackupOptions['parent'];
    if (flags.parent !== undefined) {
      const { resolveImage } = await loadImages();
      parent = (await resolveImage(context, argumentBytes(flags.parent))).image;
    }
    if (flags.stdin) piped = standardInput(flags.stdinFilename);
    else if (flags.stdinFromCommand) piped = outputOf(given, flags.stdinFilename, run.signal);
    reporter.statusOf = statusJson;
    summary = await backup(context, {
      paths: piped === undefined ? paths : [piped.filename],
      host: flags.host ?? (settings.environment.EVERFULL_HOST || hostname()),
      tags: (flags.tag ?? []).flatMap((list) => list.split(',')).filter((tag) => tag !== ''),
      name: flags.name,
      time: flags.time,
      parent,
      selection,
      excludes,
      skipIfUnchanged: flags.skipIfUnchanged ?? false,
      dryRun: flags.dryRun ?? false,
      force: flags.force ?? false,
      compression: settings.compression,
      readConcurrency: flags.readConcurrency,
      leaveOut: run.ownPaths,
      ahead,
      program: `everfull ${run.version}`,
      ...(settings.verbose > 0 && { item: (item: BackupItem) => printItem(run, item) }),
      ...(piped !== undefined && { stdin: piped }),
    });
  } catch (error) {
    piped?.stop();
    throw error;
  } finally {
    await ahead?.stop();
  }
  reporter.clear();
  printSummary(run, summary, flags.dryRun ?? false);
  run.profile(summary.stages);
  if (summary.failures > 0) {
    await run.output.flush();
    throw new EverfullError(
      'source-unreadable',
      'Could not read everything: at least one source is missing in the image',
      {
        advice: 'What could be read was backed up. The errors above name the rest.',
      },
    );
  }
}

const ACTIONS = { new: 'new', changed: 'modified', unmodified: 'unchanged' } as const;

/** Once verbose: what is new or changed; twice: everything. */
function printItem({ settings, output }: Run, { path, change, isFolder, size }: BackupItem): void {
  if (settings.verbose < 2 && (change === 'unmodified' || isFolder)) return;
  const action = ACTIONS[change];
  if (settings.json) {
    output.json({ message_type: 'verbose_status', action, item: displayText(path), data_size: size });
  } else {
    output.byteLine(`${action.padEnd(9)} ${output.path(path)}${isFolder ? '/' : `, ${formatBytes(size)}`}`);
  }
}

function statusJson(progress: ProgressNumbers, secondsElapsed: number): object {
  const { filesDone, filesTotal, bytesDone, bytesTotal, errors, current } = progress;
  const left = secondsLeft(progress, secondsElapsed * 1000);
  return {
    message_type: 'status',
    seconds_elapsed: secondsElapsed,
    ...(left !== undefined && { seconds_remaining: left }),
    percent_done: fractionDone(progress) ?? 0,
    ...(filesTotal !== undefined && { total_files: filesTotal }),
    files_done: filesDone,
    ...(bytesTotal !== undefined && { total_bytes: bytesTotal }),
    bytes_done: bytesDone,
    ...(errors > 0 && { error_count: errors }),
    ...(current !== undefined && { current_files: [current] }),
  };
}

function printSummary({ settings, output }: Run, summary: BackupSummary, dryRun: boolean): void {
  if (settings.json) {
    output.json(summaryJson(summary, dryRun));
    return;
  }
  if (settings.quiet) return;
  const counts = (fresh: number, changed: number, unmodified: number) =>
    `${String(fresh).padStart(5)} new, ${String(changed).padStart(5)} changed, ${String(unmodified).padStart(5)} unmodified`;
  output.line(`Files:   ${counts(summary.filesNew, summary.filesChanged, summary.filesUnmodified)}`);
  output.line(`Folders: ${counts(summary.dirsNew, summary.dirsChanged, summary.dirsUnmodified)}`);
  output.line(
    `${dryRun ? 'Would be added' : 'Added'} to the repository: ${formatBytes(summary.dataAdded)} (${formatBytes(summary.dataAddedPacked)} stored)`,
  );
  if (summary.chunksHealed > 0)
    output.line(
      `${summary.chunksHealed} damaged chunks were stored anew: all images that use them are whole again`,
    );
  if (summary.chunksLost > 0)
    output.line(
      `${summary.chunksLost} damaged chunks cannot be made of the files as they are now: this image is whole, older ones have lost them (see everfull check)`,
    );
  output.line();
  output.line(
    `processed ${summary.totalFilesProcessed} files, ${formatBytes(summary.totalBytesProcessed)} in ${formatDuration(summary.totalDuration * 1000)}`,
  );
  if (summary.imageId !== undefined) output.line(`image ${shortId(summary.imageId)} saved`);
  else output.line(dryRun ? 'nothing was stored' : 'no image was made: nothing changed');
}

function summaryJson(summary: BackupSummary, dryRun: boolean): object {
  return {
    message_type: 'summary',
    ...(dryRun && { dry_run: true }),
    files_new: summary.filesNew,
    files_changed: summary.filesChanged,
    files_unmodified: summary.filesUnmodified,
    dirs_new: summary.dirsNew,
    dirs_changed: summary.dirsChanged,
    dirs_unmodified: summary.dirsUnmodified,
    data_blobs: summary.dataBlobs,
    tree_blobs: summary.treeBlobs,
    data_added: summary.dataAdded,
    data_added_packed: summary.dataAddedPacked,
    total_files_processed: summary.totalFilesProcessed,
    total_bytes_processed: summary.totalBytesProcessed,
    backup_start: jsonTime(summary.backupStart),
    backup_end: jsonTime(summary.backupEnd),
    total_duration: summary.totalDuration,
    ...(summary.imageId !== undefined && { snapshot_id: summary.imageId }),
    ...(summary.chunksHealed > 0 && { chunks_healed: summary.chunksHealed }),
    ...(summary.chunksLost > 0 && { chunks_lost: summary.chunksLost }),
    missing_sources: summary.missingSources.map(displayText),
  };
}
