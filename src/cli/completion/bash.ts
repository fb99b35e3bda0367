import { allFlags, type Node, placedNodes } from './tree.ts';

/** A script for bash: a function that finds the verb among the words and offers what may follow it. */
export function bashScript(root: Node): string {
  const program = root.names[0]!;
  const flags = allFlags(root);
  const withValue = flags.filter(({ takesValue }) => takesValue);
  const placed = placedNodes(root);
  const optionsOf = (node: Node) =>
    [...new Set([...node.flags, ...root.flags].flatMap(({ names }) => names))].join(' ');
  const wordsOf = (node: Node) => [...node.below.flatMap(({ names }) => names), ...node.choices].join(' ');
  const steps = placed.flatMap(({ path, node }) => {
    const above = path.includes(' ') ? path.slice(0, path.lastIndexOf(' ')) : '';
    return node.names.map((name) => `          '${above}:${name}') verb='${path}' ;;`);
  });
  return `# bash completion for ${program}
_${program}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb='' words='' options='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${withValue.flatMap(({ names }) => names).join('|')}) ((i++)) ;;
      -*) ;;
      *)
        case "$verb:\${COMP_WORDS[i]}" in
${steps.join('\n')}
        esac
        ;;
    esac
  done
  COMPREPLY=()
  case $prev in
${withValue
  .filter(({ choices }) => choices.length > 0)
  .map(
    ({ names, choices }) =>
      `    ${names.join('|')}) COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$cur")); return ;;`,
  )
  .join('\n')}
    ${withValue.flatMap(({ names }) => names).join('|')}) return ;;
  esac
  case $verb in
    '') words='${wordsOf(root)}' options='${optionsOf(root)}' ;;
${placed.map(({ path, node }) => `    '${path}') words='${wordsOf(node)}' options='${optionsOf(node)}' ;;`).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}
complete -o default -F _${program} ${program}`;
}
