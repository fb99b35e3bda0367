import { allFlags, type Flag, type Node, placedNodes } from './tree.ts';

/** A script for zsh, made like that for bash, with what each word means. */
export function zshScript(root: Node): string {
  const program = root.names[0]!;
  const withValue = allFlags(root).filter(({ takesValue }) => takesValue);
  const placed = placedNodes(root);
  const steps = placed.flatMap(({ path, node }) => {
    const above = path.includes(' ') ? path.slice(0, path.lastIndexOf(' ')) : '';
    return node.names.map((name) => `          ${quoted(`${above}:${name}`)}) verb=${quoted(path)} ;;`);
  });
  const branch = (path: string, node: Node) => {
    const flags = [
      ...new Map([...node.flags, ...root.flags].map((flag) => [flag.names.join(), flag])).values(),
    ];
    const words = [
      ...node.below.flatMap(({ names, about }) => names.map((name) => described(name, about))),
      ...node.choices.map((choice) => described(choice, '')),
    ];
    return `    ${quoted(path)})
      choices=(${words.join(' ')})
      flags=(${flags.flatMap(flagWords).join(' ')})
      ;;`;
  };
  return `#compdef ${program}
_${program}() {
  local verb='' i
  local -a choices flags
  for ((i = 2; i < CURRENT; i++)); do
    case \${words[i]} in
      ${withValue.flatMap(({ names }) => names).join('|')}) ((i++)) ;;
      -*) ;;
      *)
        case "$verb:\${words[i]}" in
${steps.join('\n')}
        esac
        ;;
    esac
  done
  case \${words[CURRENT-1]} in
${withValue
  .filter(({ choices }) => choices.length > 0)
  .map(
    ({ names, choices }) =>
      `    ${names.join('|')}) choices=(${choices.map(quoted).join(' ')}); _describe value choices; return ;;`,
  )
  .join('\n')}
    ${withValue.flatMap(({ names }) => names).join('|')}) _files; return ;;
  esac
  case $verb in
${[branch('', root), ...placed.map(({ path, node }) => branch(path, node))].join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o option flags
  elif (( \${#choices} )); then
    _describe word choices
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _${program} ]]; then
  _${program} "$@"
else
  compdef _${program} ${program}
fi`;
}

function flagWords({ names, about }: Flag): string[] {
  return names.map((name) => described(name, about));
}

/** A word of `_describe`: a colon ends the word. */
function described(word: string, about: string): string {
  return quoted(about === '' ? word : `${word.replaceAll(':', '\\:')}:${about}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
