import type { Flag, Node } from './tree.ts';

/** A script for fish: one line a verb and a flag. */
export function fishScript(root: Node): string {
  const program = root.names[0]!;
  const verbs = root.below.flatMap(({ names }) => names);
  const lines = [
    `# fish completion for ${program}`,
    `complete -c ${program} -n 'not __fish_seen_subcommand_from ${verbs.join(' ')}' -f`,
  ];
  for (const flag of root.flags) lines.push(`complete -c ${program} ${flagWords(flag)}`);
  for (const node of root.below) {
    for (const name of node.names) {
      lines.push(
        `complete -c ${program} -n 'not __fish_seen_subcommand_from ${verbs.join(' ')}' -a ${name} -d ${quoted(node.about)}`,
      );
    }
    const here = `__fish_seen_subcommand_from ${node.names.join(' ')}`;
    for (const flag of node.flags) lines.push(`complete -c ${program} -n '${here}' ${flagWords(flag)}`);
    for (const choice of node.choices) lines.push(`complete -c ${program} -n '${here}' -f -a ${choice}`);
    for (const inner of node.below) {
      const others = node.below.flatMap(({ names }) => names).join(' ');
      lines.push(
        `complete -c ${program} -n '${here}; and not __fish_seen_subcommand_from ${others}' -f -a ${inner.names[0]} -d ${quoted(inner.about)}`,
      );
      const inside = `${here}; and __fish_seen_subcommand_from ${inner.names.join(' ')}`;
      for (const flag of inner.flags) lines.push(`complete -c ${program} -n '${inside}' ${flagWords(flag)}`);
    }
  }
  return lines.join('\n');
}

function flagWords({ names, about, takesValue, choices }: Flag): string {
  const words = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  if (takesValue) words.push('-r');
  if (choices.length > 0) words.push(`-f -a ${quoted(choices.join(' '))}`);
  return `${words.join(' ')} -d ${quoted(about)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
