import { Argument, type Command } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion/mod.ts';
import type { Begin, WholeTree } from './verb.ts';

const HELP = `
Examples:
  $ source <(everfull completion bash)
  $ everfull completion zsh > "\${fpath[1]}/_everfull"
  $ everfull completion fish > ~/.config/fish/completions/everfull.fish`;

export function define(command: Command, begin: Begin, wholeTree: WholeTree): void {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action(async (shell: Shell) => {
      begin(command).output.line(completionScript(shell, await wholeTree()));
    });
}
