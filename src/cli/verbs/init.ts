import type { Command } from 'commander';
import { EverfullError, hexOf } from '../../base/mod.ts';
import type { Repository } from '../../repository/mod.ts';
import { Run, type SourceFlags, sourceSettingsOf } from '../opening/mod.ts';
import type { Begin } from './verb.ts';

const HELP = `
The keys come from --password-file, --password-command, EVERFULL_PASSWORD, or --key-file, which is made
where it does not exist; on a terminal a password is asked for.

Examples:
  $ everfull -r /srv/backup init
  $ everfull -r /srv/backup --password-file ~/.backup-password init
  $ everfull -r /srv/backup --key-file ~/backup.key init
  $ everfull -r /srv/copy init --secrets-from /srv/backup --from-password-file ~/.backup-password`;

interface InitFlags extends Omit<SourceFlags, 'fromRepo' | 'fromRepositoryFile'> {
  readonly secretsFrom?: string;
}

export function define(command: Command, begin: Begin): void {
  command
    .option(
      '--secrets-from <place>',
      'with the same secrets as this repository, so that it imports what that one exports',
    )
    .option('--from-password-file <file>', 'a file that holds the password of that repository')
    .option('--from-password-command <command>', 'a shell command that prints its password')
    .option('--from-key-file <file>', 'a key file of it')
    .option('--from-recovery-file <file>', 'a file that holds a recovery code of it')
    .addHelpText('after', HELP)
    .action(async (flags: InitFlags) => {
      const run = begin(command);
      const { repository } = await withSecretsOf(run, flags, (other) => run.init(other));
      const id = hexOf(repository.config.repositoryId);
      if (run.settings.json) {
        run.output.json({ message_type: 'initialized', id, repository: run.location });
      } else if (!run.settings.quiet) {
        run.output.line(`made repository ${id.slice(0, 10)} at ${run.location}`);
        run.output.line();
        run.output.line(
          'Without its password or key nobody can read the backups, you included. Keep it safe,',
        );
        run.output.line('apart from this machine.');
      }
    });
}

/** Gives `use` the repository that the flags name, open, if they name one. */
async function withSecretsOf<T>(
  run: Run,
  { secretsFrom, ...keys }: InitFlags,
  use: (other: Repository | undefined) => Promise<T>,
): Promise<T> {
  if (secretsFrom === undefined) {
    if (Object.keys(keys).some((flag) => flag.startsWith('from')))
      throw new EverfullError(
        'usage',
        'Could not make a repository: keys of another one are given, and no --secrets-from',
      );
    return use(undefined);
  }
  const other = new Run(
    sourceSettingsOf({ ...keys, fromRepo: secretsFrom }, run.settings),
    run.version,
    run.signal,
  );
  try {
    return await use((await other.open()).repository);
  } finally {
    await other.close();
  }
}
