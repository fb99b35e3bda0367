import type { Command } from 'commander';
import type { Begin } from './verb.ts';

export function define(command: Command, begin: Begin): void {
  command
    .addHelpText('after', '\nExamples:\n  $ everfull version\n  $ everfull version --json')
    .action(() => {
      const { output, settings } = begin(command);
      const version = command.parent!.version()!;
      if (!settings.json) {
        output.line(`everfull ${version}`);
        return;
      }
      output.json({
        message_type: 'version',
        version,
        node_version: process.versions.node,
        os: process.platform,
        arch: process.arch,
      });
    });
}
