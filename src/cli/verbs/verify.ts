import type { Command } from 'commander';
import { EverfullError, hexOf } from '../../base/mod.ts';
import { parseSize } from '../../capture/select/mod.ts';
import { type FoundDamage, loadVerify, type VerifyReport } from '../../operations/mod.ts';
import type { Run } from '../opening/mod.ts';
import { escapeText, formatBytes, fractionDone, type ProgressNumbers } from '../terminal/mod.ts';
import { time } from './image-options.ts';
import type { Begin } from './verb.ts';

interface VerifyFlags {
  readonly maxAge?: number;
  readonly budget?: number;
}

const HELP = `
Every stored byte is read and held against a digest that needs no key, so the machine that keeps the repository
can do it. What is damaged is named, and recorded in the repository: the next backup of the same data stores it
anew, for every image that used it. "check" opens and follows everything instead, and needs a key.

Packs that this machine verified longest ago come first, so with --budget each run goes on where the last one
ended. --limit-download keeps it from taking all of the disk.

Exit codes: 0 all that was read is sound; 1 something is damaged.

Examples:
  $ everfull -r /srv/backup verify
  $ everfull -r /srv/backup verify --max-age 30d --budget 100G --limit-download 50000`;

export function define(command: Command, begin: Begin): void {
  command
    .option('--max-age <duration>', 'leave out packs that were found sound within it: 30d, 12h, 1y', ago)
    .option('--budget <size>', 'begin no pack once so many bytes were read: 500M, 100G', (text: string) =>
      parseSize(text),
    )
    .addHelpText('after', HELP)
    .action(async ({ maxAge, budget }: VerifyFlags) => {
      const run = begin(command);
      const [{ context }, { verify }] = await Promise.all([run.openStore(), loadVerify()]);
      run.reporter.statusOf = statusJson;
      const report = await verify(context, {
        after: maxAge,
        budgetBytes: budget,
        onDamage: (damage) => printDamage(run, damage),
      });
      run.reporter.clear();
      printSummary(run, report);
      if (report.damagedObjects === 0) return;
      const objects = report.damagedObjects === 1 ? '1 object' : `${report.damagedObjects} objects`;
      throw new EverfullError('damaged', `The repository at "${run.location}" is damaged: ${objects}`, {
        advice:
          'Back up the same data again: what is damaged is stored anew. Then run repair index, repair packs, and check.',
      });
    });
}

/** The time that was a duration ago. */
function ago(text: string): number {
  if (/^\d+[a-z]/i.test(text)) return time(text);
  throw new EverfullError('usage', `Could not use "${text}" as a duration: it has no unit`, {
    advice: 'Write 30d, 12h or 1y.',
  });
}

/** So many frames of an object are named. */
const FRAMES_NAMED_MAX = 100;

function printDamage({ settings, output, reporter }: Run, { object, error, frames }: FoundDamage): void {
  const message = escapeText(error.message);
  if (settings.json) {
    const line = {
      message_type: 'error',
      message,
      object,
      frames: frames.slice(0, FRAMES_NAMED_MAX).map(hexOf),
      frame_count: frames.length,
    };
    process.stderr.write(`${JSON.stringify(line)}\n`);
    return;
  }
  reporter.clear();
  const count = frames.length === 0 ? '' : `, ${frames.length} ${frames.length === 1 ? 'frame' : 'frames'}`;
  output.line(`damaged: ${object}${count}: ${message}`);
}

function statusJson(progress: ProgressNumbers, secondsElapsed: number): object {
  return {
    message_type: 'status',
    seconds_elapsed: secondsElapsed,
    percent_done: fractionDone(progress) ?? 0,
    bytes_done: progress.bytesDone,
    error_count: progress.errors,
  };
}

function printSummary({ settings, output }: Run, report: VerifyReport): void {
  if (settings.json) {
    output.json({
      message_type: 'summary',
      packs: report.packs,
      packs_verified: report.packsVerified,
      packs_left: report.packsLeft,
      bytes_verified: report.bytesVerified,
      frames_verified: report.frames,
      objects_verified: report.objects,
      damaged_objects: report.damagedObjects,
      damaged_frames: report.damagedFrames,
      newly_recorded: report.recorded,
    });
    return;
  }
  if (settings.quiet) return;
  output.line(
    `verified ${report.packsVerified} of ${report.packs} packs (${formatBytes(report.bytesVerified)}, ${report.frames} frames) and ${report.objects} other objects`,
  );
  if (report.packsLeft > 0) output.line(`${report.packsLeft} packs are left for the next time`);
  if (report.damagedObjects === 0) output.line('no damage was found');
  else
    output.line(
      `${report.damagedObjects} objects are damaged, ${report.damagedFrames} frames are lost where they were; ${report.recorded} of them were not known before`,
    );
}
