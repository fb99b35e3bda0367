import { type Command, Option } from 'commander';
import { COMPRESSION_MODES } from '../chunk/mod.ts';
import type { GlobalFlags } from './opening/mod.ts';

/** The options that every verb takes, before it or after it. */
export function globalOptions(): Option[] {
  return [
    new Option(
      '-r, --repo <place>',
      'the repository: a folder, or s3:https://HOST/BUCKET/PREFIX (EVERFULL_REPOSITORY)',
    ),
    new Option('--repository-file <file>', 'a file that names the repository (EVERFULL_REPOSITORY_FILE)'),
    new Option(
      '-p, --password-file <file>',
      'a file that holds the password (EVERFULL_PASSWORD_FILE, EVERFULL_PASSWORD)',
    ),
    new Option(
      '--password-command <command>',
      'a shell command that prints the password (EVERFULL_PASSWORD_COMMAND)',
    ),
    new Option('--key-file <file>', 'a key file that everfull made (EVERFULL_KEY_FILE)'),
    new Option('--recovery-file <file>', 'a file that holds a recovery code'),
    new Option('--json', 'print JSON for programs'),
    new Option('-q, --quiet', 'print no progress and no remarks'),
    new Option('-v, --verbose', 'say more; twice: name every file')
      // Counted: each one raises it.
      .argParser((_, earlier: number | undefined) => (earlier ?? 0) + 1),
    new Option(
      '--cache-dir <folder>',
      'where to keep caches and logs (EVERFULL_CACHE_DIR, ~/.cache/everfull)',
    ),
    new Option('--no-cache', 'keep and use no caches and logs'),
    new Option('--compression <mode>', 'how hard to compress (EVERFULL_COMPRESSION; auto)').choices(
      COMPRESSION_MODES,
    ),
    new Option('--limit-upload <rate>', 'write to the repository no faster than so many KiB/s'),
    new Option('--limit-download <rate>', 'read from the repository no faster than so many KiB/s'),
  ];
}

/** What was given before the verb and after it; what stands nearer to the verb wins. */
export function globalFlagsOf(command: Command): GlobalFlags {
  let flags: GlobalFlags = {};
  let verbose = 0;
  for (let level: Command | null = command; level !== null; level = level.parent) {
    const own: GlobalFlags = level.opts();
    verbose += own.verbose ?? 0;
    flags = { ...own, ...flags, ...(own.cache === false && { cache: false }) };
  }
  return { ...flags, verbose };
}
