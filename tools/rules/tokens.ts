/** A word, the value of a string literal, or one character of punctuation. */
export interface Token {
  readonly kind: 'word' | 'string' | 'mark';
  readonly text: string;
  readonly line: number;
}

const WORD = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*|\d[\w.]*/uy;
const SPACE = /\s+|\/\/.*|\/\*[\s\S]*?\*\//y;
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y;
const TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const REGULAR_EXPRESSION = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;

/** Words after which a slash begins a regular expression; after any other word it divides. */
const BEFORE_VALUE = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'await',
  'yield',
  'void',
  'delete',
  'throw',
]);

/**
 * The tokens of TypeScript text, without comments, templates and regular expressions.
 * A slash after `)` or `}` is taken for a division: in our own formatted code nothing else follows there.
 */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  /** For each open template, the number of braces open inside its `${`. */
  const templates: number[] = [];
  let at = 0;
  let line = 1;

  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const passTemplate = (): void => {
    const part = match(TEMPLATE) ?? text.slice(at);
    if (part.endsWith('${')) templates.push(0);
    line += part.split('\n').length - 1;
  };
  const beginsValue = (): boolean => {
    const last = tokens.at(-1);
    if (last === undefined) return true;
    return last.kind === 'word'
      ? BEFORE_VALUE.has(last.text)
      : last.kind === 'mark' && !')]}'.includes(last.text);
  };

  while (at < text.length) {
    const before = at;
    const space = match(SPACE);
    if (space !== undefined) {
      line += space.split('\n').length - 1;
      continue;
    }
    const word = match(WORD);
    if (word !== undefined) {
      tokens.push({ kind: 'word', text: word, line });
      continue;
    }
    const string = match(STRING);
    if (string !== undefined) {
      tokens.push({ kind: 'string', text: string.slice(1, -1), line });
      continue;
    }
    if (text[at] === '/' && beginsValue() && match(REGULAR_EXPRESSION) !== undefined) {
      tokens.push({ kind: 'string', text: '', line });
      continue;
    }
    const mark = text[at++]!;
    const depth = templates.at(-1);
    if (mark === '`') {
      tokens.push({ kind: 'string', text: '', line });
      passTemplate();
    } else if (mark === '}' && depth === 0) {
      templates.pop();
      passTemplate();
    } else {
      if (depth !== undefined && mark === '{') templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && mark === '}') templates[templates.length - 1] = depth - 1;
      tokens.push({ kind: 'mark', text: mark, line });
    }
    if (at === before) throw new Error(`no progress at line ${line}`);
  }
  return tokens;
}
