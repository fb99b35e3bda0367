import type { Command } from 'commander';
import { bashScript } from './bash.ts';
import { fishScript } from './fish.ts';
import { nodeOf } from './tree.ts';
import { zshScript } from './zsh.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** The script with which a shell completes the verbs and flags of `program`. */
export function completionScript(shell: Shell, program: Command): string {
  return SCRIPTS[shell](nodeOf(program));
}
