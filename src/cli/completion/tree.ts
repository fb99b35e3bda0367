import type { Command, Option } from 'commander';

/** What can be completed: a verb with what may follow it. */
export interface Node {
  /** Its name and aliases. */
  readonly names: readonly string[];
  readonly about: string;
  readonly flags: readonly Flag[];
  /** What may follow: verbs below it, or the words that its argument allows. */
  readonly below: readonly Node[];
  readonly choices: readonly string[];
}

export interface Flag {
  /** `-e`, `--exclude`. */
  readonly names: readonly string[];
  readonly about: string;
  readonly takesValue: boolean;
  /** The values that it allows; empty: any, files among them. */
  readonly choices: readonly string[];
}

/** What shells need of a command tree. */
export function nodeOf(command: Command): Node {
  const argument = command.registeredArguments[0];
  return {
    names: [command.name(), ...command.aliases()],
    about: command.summary() || command.description(),
    flags: [
      ...command.options.filter((option) => !option.hidden).map(flagOf),
      { names: ['-h', '--help'], about: 'show help', takesValue: false, choices: [] },
    ],
    below: command.commands.map(nodeOf),
    choices: argument?.argChoices ?? [],
  };
}

function flagOf(option: Option): Flag {
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    about: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  };
}

/** A node with the way to it: `key add`. */
export interface Placed {
  readonly path: string;
  readonly node: Node;
}

/** All nodes below the root, with theirs. */
export function placedNodes(root: Node): Placed[] {
  return root.below.flatMap((node) => below(node, node.names[0]!));
}

function below(node: Node, path: string): Placed[] {
  return [{ path, node }, ...node.below.flatMap((inner) => below(inner, `${path} ${inner.names[0]}`))];
}

/** Every flag of the tree, those of one name once. */
export function allFlags(root: Node): Flag[] {
  const flags = new Map<string, Flag>();
  for (const { node } of [{ node: root }, ...placedNodes(root)]) {
    for (const flag of node.flags) flags.set(flag.names.join(), flag);
  }
  return [...flags.values()];
}
