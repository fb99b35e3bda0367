import type { Command } from 'commander';
import { hexOf } from '../../base/mod.ts';
import type { Begin } from './verb.ts';

const HELP = `
The keys come from --password-file, --password-command, EVERFULL_PASSWORD, or --key-file, which is made
where it does not exist; on a terminal a password is asked for.

Examples:
  $ everfull -r /srv/backup init
  $ everfull -r /srv/backup --password-file ~/.backup-password init
  $ everfull -r /srv/backup --key-file ~/backup.key init`;

export function define(command: Command, begin: Begin): void {
  command.addHelpText('after', HELP).action(async () => {
    const run = begin(command);
    const { repository } = await run.init();
    const id = hexOf(repository.config.repositoryId);
    if (run.settings.json) {
      run.output.json({ message_type: 'initialized', id, repository: run.location });
    } else if (!run.settings.quiet) {
      run.output.line(`made repository ${id.slice(0, 10)} at ${run.location}`);
      run.output.line();
      run.output.line('Without its password or key nobody can read the backups, you included. Keep it safe,');
      run.output.line('apart from this machine.');
    }
  });
}
