import type { Command } from 'commander';
import type { Run } from '../opening/mod.ts';

/** Adds the arguments, options and action of a verb to its command. */
export type Define = (command: Command, begin: Begin, wholeTree: WholeTree) => void;

/** What an action starts with: the flags of `command` and those above it, made into a run. */
export type Begin = (command: Command) => Run;

/** The program with all its verbs loaded. */
export type WholeTree = () => Promise<Command>;

/** A verb as it is known before its code is loaded. */
export interface Verb {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  /** Heading in the list of verbs. */
  readonly group: string;
  load(): Promise<Define>;
}

/** For options that may be given several times. */
export function collect<T>(value: T, earlier: readonly T[] = []): T[] {
  return [...earlier, value];
}
