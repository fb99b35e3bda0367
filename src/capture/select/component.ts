import { type ByteString, displayText, EverfullError } from '../../base/mod.ts';
import { RUNE_ERROR, runeAt, runeOf, widthOf } from './rune.ts';

/**
 * Matches one component of a path (a name without slashes), in the syntax of Go's `filepath.Match`:
 * `*` any run of bytes, `?` one character, `[a-z]` and `[^a-z]` one character of a class, `\c` the
 * character c itself. A character is a UTF-8 sequence, or one byte where the name is not UTF-8.
 */
export interface ComponentMatcher {
  /** The only name that matches, where there is only one. */
  readonly literal?: ByteString;
  matches(name: ByteString): boolean;
}

/** Whether `component` means anything else than itself. */
export function hasWildcards(component: ByteString): boolean {
  return /[*?[\\]/.test(component);
}

/**
 * Compiles one component. The common shapes (`name`, `*`, `*.o`, `lib*`, `*~*`, `a*b`) become plain
 * string comparisons, since every entry of a walk passes through here.
 * Throws `usage` for what `filepath.Match` refuses, and names `pattern`, of which this is a part.
 */
export function compileComponent(component: ByteString, pattern: ByteString): ComponentMatcher {
  const runs = parseRuns(component, pattern);
  const texts = runs.map(literalOf);
  if (texts.every((text) => text !== undefined)) {
    const [first, ...rest] = texts as ByteString[];
    if (rest.length === 0) return { literal: first!, matches: (name) => name === first };
    if (rest.length === 1) return compileOneStar(first!, rest[0]!);
    if (rest.length === 2 && first === '' && rest[1] === '') {
      const middle = rest[0]!;
      return { matches: (name) => name.includes(middle) };
    }
  }
  return { matches: (name) => matchRuns(runs, name) };
}

function compileOneStar(before: ByteString, after: ByteString): ComponentMatcher {
  if (before === '' && after === '') return { matches: () => true };
  if (before === '') return { matches: (name) => name.endsWith(after) };
  if (after === '') return { matches: (name) => name.startsWith(before) };
  const lengthMin = before.length + after.length;
  return { matches: (name) => name.length >= lengthMin && name.startsWith(before) && name.endsWith(after) };
}

interface CharacterClass {
  readonly negated: boolean;
  /** Pairs of code points, both ends included. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** A literal byte, or one character of a class. */
type Token = ByteString | CharacterClass;
/** What stands between two stars. */
type Run = readonly Token[];

const ANY: CharacterClass = { negated: true, ranges: [] };

function literalOf(run: Run): ByteString | undefined {
  return run.every((token) => typeof token === 'string') ? run.join('') : undefined;
}

/** The runs between the stars of `component`: one more than there are (groups of) stars. */
function parseRuns(component: ByteString, pattern: ByteString): Run[] {
  const runs: Token[][] = [[]];
  let at = 0;
  while (at < component.length) {
    const run = runs.at(-1)!;
    const byte = component[at]!;
    if (byte === '*') {
      while (component[at] === '*') at++;
      runs.push([]);
    } else if (byte === '?') {
      run.push(ANY);
      at++;
    } else if (byte === '[') {
      const [characterClass, end] = parseClass(component, at + 1, pattern);
      run.push(characterClass);
      at = end;
    } else if (byte === '\\') {
      if (at + 1 === component.length) throw badPattern(pattern, 'nothing follows its last backslash');
      run.push(component[at + 1]!);
      at += 2;
    } else {
      run.push(byte);
      at++;
    }
  }
  return runs;
}

function parseClass(
  component: ByteString,
  start: number,
  pattern: ByteString,
): [CharacterClass, end: number] {
  const negated = component[start] === '^';
  const ranges: [number, number][] = [];
  let at = negated ? start + 1 : start;
  while (component[at] !== ']' || ranges.length === 0) {
    const [low, afterLow] = parseClassMember(component, at, pattern);
    let high = low;
    at = afterLow;
    if (component[at] === '-') [high, at] = parseClassMember(component, at + 1, pattern);
    ranges.push([low, high]);
  }
  return [{ negated, ranges }, at + 1];
}

function parseClassMember(
  component: ByteString,
  start: number,
  pattern: ByteString,
): [code: number, end: number] {
  const at = component[start] === '\\' ? start + 1 : start;
  if (at >= component.length) throw badPattern(pattern, 'a character class is not closed with "]"');
  if (at === start && (component[at] === '-' || component[at] === ']')) {
    throw badPattern(pattern, `"${component[at]}" in a character class needs a backslash before it`);
  }
  const rune = runeAt(component, at);
  if (runeOf(rune) === RUNE_ERROR && widthOf(rune) === 1) {
    throw badPattern(pattern, 'a character class holds bytes that are not UTF-8');
  }
  const end = at + widthOf(rune);
  if (end >= component.length) throw badPattern(pattern, 'a character class is not closed with "]"');
  return [runeOf(rune), end];
}

function badPattern(pattern: ByteString, found: string): EverfullError {
  const shown = displayText(pattern);
  return new EverfullError('usage', `cannot use the pattern "${shown}": ${found}`, {
    context: { pattern: shown },
    advice: 'Put a backslash before a character that is to mean itself.',
  });
}

/** A star takes as little as it can: of the places where the run after it fits, the first is enough. */
function matchRuns(runs: readonly Run[], name: ByteString): boolean {
  let at = matchRun(runs[0]!, name, 0);
  if (at < 0) return false;
  if (runs.length === 1) return at === name.length;
  for (let i = 1; i < runs.length - 1; i++) {
    let end = -1;
    while (end < 0 && at <= name.length) end = matchRun(runs[i]!, name, at++);
    if (end < 0) return false;
    at = end;
  }
  const last = runs.at(-1)!;
  if (last.length === 0) return true;
  for (; at < name.length; at++) {
    if (matchRun(last, name, at) === name.length) return true;
  }
  return false;
}

/** Where `run`, matched from `start` on, ends in `name`; -1 where it does not match. */
function matchRun(run: Run, name: ByteString, start: number): number {
  let at = start;
  for (const token of run) {
    if (at >= name.length) return -1;
    if (typeof token === 'string') {
      if (name[at] !== token) return -1;
      at++;
    } else {
      const rune = runeAt(name, at);
      if (!classHolds(token, runeOf(rune))) return -1;
      at += widthOf(rune);
    }
  }
  return at;
}

function classHolds(characterClass: CharacterClass, code: number): boolean {
  const found = characterClass.ranges.some(([low, high]) => low <= code && code <= high);
  return found !== characterClass.negated;
}
