import { type Command, InvalidArgumentError, Option } from 'commander';
import { EverfullError } from '../../base/mod.ts';
import { parseSize } from '../../capture/select/mod.ts';
import { type CollectSummary, loadPrune, type PruneOptions } from '../../operations/mod.ts';
import type { Run } from '../opening/mod.ts';
import { formatBytes, type ProgressNumbers } from '../terminal/mod.ts';
import { percentOf } from './check.ts';
import type { Begin } from './verb.ts';

export interface PruneFlags {
  readonly maxUnused: PruneOptions['maxUnused'];
  readonly maxRepackSize?: number;
  readonly sessionTimeout?: number;
  readonly dryRun?: boolean;
}

const HELP = `
What no image uses is deleted, and what is used is copied out of packs that are mostly waste. No key is needed.
Backups and restores go on meanwhile; those that began before prune did are waited for before anything goes.
A backup that was killed is waited for until its heartbeat has stood still for five minutes.

Interrupted at any moment, prune leaves everything whole; the next one goes on.

Examples:
  $ everfull prune
  $ everfull prune --dry-run
  $ everfull prune --max-unused 0 --max-repack-size 50G`;

export function define(command: Command, begin: Begin): void {
  for (const option of pruneOptions()) command.addOption(option);
  command
    .option('-n, --dry-run', 'delete nothing, say what would be deleted')
    .addHelpText('after', HELP)
    .action(async (flags: PruneFlags) => {
      const run = begin(command);
      const summary = await runPrune(run, flags);
      run.reporter.clear();
      printPruned(run, summary, flags.dryRun ?? false);
    });
}

/** The options of a prune, which `forget --prune` has, too. */
export function pruneOptions(): Option[] {
  return [
    new Option(
      '--max-unused <limit>',
      'waste that may stay in packs: a part of what is in use, a size, or "unlimited"',
    )
      .argParser(unusedLimit)
      .default({ percent: 5 }, '5%'),
    new Option('--max-repack-size <size>', 'copy at most so many bytes').argParser(size),
    new Option(
      '--session-timeout <seconds>',
      'end sessions whose heartbeat stands still for so long; 300 unless given',
    )
      .argParser(seconds)
      .hideHelp(),
  ];
}

export async function runPrune(run: Run, flags: PruneFlags): Promise<CollectSummary> {
  const [{ context }, { prune }] = await Promise.all([run.openStore(), loadPrune()]);
  run.reporter.statusOf = statusJson;
  return prune(context, {
    maxUnused: flags.maxUnused,
    maxRepackBytes: flags.maxRepackSize ?? Infinity,
    dryRun: flags.dryRun ?? false,
    sessionTimeoutMs: flags.sessionTimeout === undefined ? undefined : flags.sessionTimeout * 1000,
  });
}

function statusJson(progress: ProgressNumbers, secondsElapsed: number): object {
  const { current, filesDone, filesTotal, bytesDone, bytesTotal } = progress;
  return {
    message_type: 'status',
    seconds_elapsed: secondsElapsed,
    stage: current,
    done: filesTotal === undefined ? bytesDone : filesDone,
    total: filesTotal ?? bytesTotal,
  };
}

export function printPruned({ settings, output }: Run, summary: CollectSummary, dryRun: boolean): void {
  if (settings.json) {
    output.json({
      message_type: 'summary',
      dry_run: dryRun,
      packs: summary.packs,
      bytes: summary.bytes,
      frames_used: summary.liveFrames,
      bytes_used: summary.liveBytes,
      chunks_lost: summary.lostChunks,
      packs_copied: summary.packsCopied,
      bytes_copied: summary.bytesCopied,
      packs_deleted: summary.packsDeleted,
      bytes_deleted: summary.bytesDeleted,
      packs_spared: summary.packsSpared,
      sessions_expired: summary.sessionsExpired,
      sessions_removed: summary.sessionsRemoved,
      bytes_unused: summary.unusedBytes,
    });
    return;
  }
  if (settings.quiet) return;
  const would = dryRun ? 'would be ' : '';
  output.line(
    `${summary.packs} packs, ${formatBytes(summary.bytes)}; in use ${formatBytes(summary.liveBytes)}`,
  );
  if (summary.packsCopied > 0)
    output.line(`${formatBytes(summary.bytesCopied)} of ${summary.packsCopied} packs ${would}written anew`);
  output.line(
    `${summary.packsDeleted} packs, ${formatBytes(summary.bytesDeleted)}, ${would}deleted; ${formatBytes(summary.unusedBytes)} of waste ${dryRun ? 'would stay' : 'stay'} in packs that are in use`,
  );
  if (summary.packsSpared > 0)
    output.line(`${summary.packsSpared} packs stay: a backup that ended meanwhile uses them`);
  if (summary.sessionsExpired > 0)
    output.line(`${summary.sessionsExpired} sessions were ended: their heartbeat had stopped`);
  if (summary.lostChunks > 0)
    output.line(
      `${summary.lostChunks} chunks that images use are in no pack: see what is lost with: everfull check`,
    );
}

function unusedLimit(text: string): PruneOptions['maxUnused'] {
  if (text === 'unlimited') return { bytes: Infinity };
  if (text === '0') return { bytes: 0 };
  if (text.endsWith('%')) return { percent: text === '0%' ? 0 : percentOf(text) };
  return { bytes: size(text) };
}

function size(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    if (error instanceof EverfullError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text) || text === '0')
    throw new InvalidArgumentError('It is not a number of seconds.');
  return Number(text);
}
