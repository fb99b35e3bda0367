import type { Command } from 'commander';
import { EverfullError, equalBytes } from '../../base/mod.ts';
import { type CopySummary, loadChosenImages, loadCopy } from '../../operations/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { argumentBytes, Run, type SourceFlags, sourceSettingsOf } from '../opening/mod.ts';
import { formatBytes, type ProgressNumbers } from '../terminal/mod.ts';
import {
  failAfterProblems,
  filterOf,
  type ImageFlags,
  imageJson,
  shortId,
  withImageFilter,
} from './image-options.ts';
import type { Begin } from './verb.ts';

interface CopyFlags extends ImageFlags, SourceFlags {}

const HELP = `
Images keep their time, host, paths and tags, and count as committed when they were. Everything is read, and cut,
named and encrypted anew with the secrets of the repository named by -r, which must exist: so what it has already
is not stored again, and backups into it go on from the copies. An image that has a copy is left out.

The repository to copy from may also be named by EVERFULL_FROM_REPOSITORY, and its keys by
EVERFULL_FROM_PASSWORD, EVERFULL_FROM_PASSWORD_FILE, EVERFULL_FROM_PASSWORD_COMMAND and EVERFULL_FROM_KEY_FILE.

Interrupted, it goes on when it is run again.

Examples:
  $ everfull -r /mnt/usb/backup copy --from /srv/backup --from-password-file ~/.srv-password
  $ everfull -r /mnt/usb/backup copy --from /srv/backup --host web1 latest`;

export function define(command: Command, begin: Begin): void {
  withImageFilter(command.argument('[image...]', 'copy these images, and no others'))
    .option('--from, --from-repo <place>', 'the repository to copy from')
    .option('--from-repository-file <file>', 'a file that names it')
    .option('--from-password-file <file>', 'a file that holds its password')
    .option('--from-password-command <command>', 'a shell command that prints its password')
    .option('--from-key-file <file>', 'a key file of it')
    .option('--from-recovery-file <file>', 'a file that holds a recovery code of it')
    .addHelpText('after', HELP)
    .action(async (names: string[], flags: CopyFlags) => {
      const run = begin(command);
      const from = new Run(sourceSettingsOf(flags, run.settings), run.version, run.signal);
      try {
        await copyImages(run, from, names, flags);
      } finally {
        await from.close();
      }
    });
}

async function copyImages(run: Run, from: Run, names: readonly string[], flags: ImageFlags): Promise<void> {
  const { settings, output, reporter } = run;
  const opened = await from.open();
  // Loaded while a password is worked on.
  const [{ context, repository }, { copy }, { chosenImages }] = await Promise.all([
    run.open(),
    loadCopy(),
    loadChosenImages(),
  ]);
  if (equalBytes(repository.config.repositoryId, opened.repository.config.repositoryId))
    throw new EverfullError(
      'usage',
      `Could not copy "${from.location}" to "${run.location}": it is the same repository`,
    );
  reporter.statusOf = statusJson;
  const sourceContext = { ...opened.context, problem: context.problem };
  const { images, all } = await chosenImages(sourceContext, names.map(argumentBytes), filterOf(flags));
  const summary = await copy(context, {
    source: opened.repository,
    images,
    all,
    compression: settings.compression,
    done: (image, made, wasThere) => print(run, image, made, wasThere),
  });
  reporter.clear();
  if (settings.json) output.json(summaryJson(summary));
  else if (!settings.quiet)
    output.line(
      `${summary.copied} copied, ${summary.skipped} were there${summary.failed === 0 ? '' : `, ${summary.failed} failed`}; ${formatBytes(summary.bytesAdded)} new, ${formatBytes(summary.bytesAddedStored)} stored`,
    );
  failAfterProblems(run);
}

function print({ settings, output, reporter }: Run, image: Image, made: Image, wasThere: boolean): void {
  if (settings.json) {
    output.json({
      message_type: wasThere ? 'skipped' : 'copied',
      source_snapshot_id: image.id.toString('hex'),
      snapshot: imageJson(made),
    });
    return;
  }
  if (settings.quiet || (wasThere && settings.verbose === 0)) return;
  reporter.clear();
  output.line(`image ${shortId(image.id)} ${wasThere ? 'was there as' : 'copied to'} ${shortId(made.id)}`);
}

function statusJson({ filesDone, bytesDone }: ProgressNumbers, secondsElapsed: number): object {
  return {
    message_type: 'status',
    seconds_elapsed: secondsElapsed,
    files_done: filesDone,
    bytes_done: bytesDone,
  };
}

function summaryJson({ copied, skipped, failed, bytesAdded, bytesAddedStored }: CopySummary): object {
  return {
    message_type: 'summary',
    copied_snapshots: copied,
    skipped_snapshots: skipped,
    failed_snapshots: failed,
    data_added: bytesAdded,
    data_added_packed: bytesAddedStored,
  };
}
