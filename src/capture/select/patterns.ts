import { posix } from 'node:path';
import type { ByteString } from '../../base/mod.ts';
import { type ComponentMatcher, compileComponent } from './component.ts';
import { lowerCase } from './rune.ts';

/** What a list of patterns says of a path. */
export interface PatternMatch {
  readonly matched: boolean;
  /** For a folder: whether something below it may match, so that a restore must look inside. */
  readonly childMayMatch: boolean;
}

export interface PatternOptions {
  readonly ignoreCase?: boolean;
}

/**
 * Compiles patterns as restic 0.18 understands them:
 *
 * - components in the syntax of Go's `filepath.Match`; `**` stands for any number of components;
 * - a leading `/` anchors at the root, anything else matches at any depth; a trailing `/` means nothing;
 * - what matches a folder matches everything below it;
 * - `!` in front takes back a match; the last pattern that matches a path decides;
 * - empty patterns are ignored; `.`, `..` and doubled slashes are resolved in the text of the pattern.
 *
 * Throws `usage` for a pattern that is not well-formed.
 */
export function compilePatterns(lines: readonly ByteString[], options: PatternOptions = {}): PatternList {
  return new PatternList(lines, options);
}

/** A pattern that matches exactly `path` (and what is below it), whatever characters it holds. */
export function escapePattern(path: ByteString): ByteString {
  return path.replace(/[*?[\\]|^!/g, '\\$&');
}

/** A part of a pattern: a component, or `**`. */
type Part = ComponentMatcher | 'deep';

interface Pattern {
  readonly index: number;
  readonly negated: boolean;
  readonly anchored: boolean;
  /** The last one is never `deep`. None at all: the pattern matches everything. */
  readonly parts: readonly Part[];
}

/** What is known of a folder and holds for everything in it. */
interface Folder {
  /** Undefined for the root, which has no name. */
  readonly parent: Folder | undefined;
  readonly name: ByteString;
  /** Absolute, without a slash at the end: the root is the empty string. */
  readonly path: ByteString;
  /** The last pattern that matches the folder or one above it; -1 where none does. */
  readonly decidedBy: number;
}

/** How many folders are remembered. A walk needs those on the way to where it is, and their siblings. */
const FOLDERS_MAX = 1024;

const BOTH: PatternMatch = { matched: true, childMayMatch: true };
const MATCHED: PatternMatch = { matched: true, childMayMatch: false };
const CHILD: PatternMatch = { matched: false, childMayMatch: true };
const NEITHER: PatternMatch = { matched: false, childMayMatch: false };

/**
 * Compiled patterns.
 *
 * A path matches a pattern if the path or a folder above it fits the whole pattern. So what the folders
 * decide is worked out once a folder and remembered, and an entry costs one look-up of its name among
 * the patterns that end in a plain name, and one test for each that ends in a wildcard.
 */
export class PatternList {
  readonly isEmpty: boolean;
  readonly #ignoreCase: boolean;
  readonly #patterns: readonly Pattern[];
  /** The patterns that end in a plain name, by that name. Ascending, as `#wildcards`. */
  readonly #named = new Map<ByteString, Pattern[]>();
  readonly #wildcards: Pattern[] = [];
  readonly #root: Folder;
  readonly #folders = new Map<ByteString, Folder>();
  #current: Folder;

  constructor(lines: readonly ByteString[], { ignoreCase = false }: PatternOptions) {
    this.#ignoreCase = ignoreCase;
    this.#patterns = lines
      .filter((line) => line !== '')
      .map((line, index) => parsePattern(line, index, ignoreCase));
    this.isEmpty = this.#patterns.length === 0;
    let decidedBy = -1;
    for (const pattern of this.#patterns) {
      const last = pattern.parts.at(-1) as ComponentMatcher | undefined;
      if (last === undefined) decidedBy = pattern.index;
      else if (last.literal === undefined) this.#wildcards.push(pattern);
      else if (this.#named.has(last.literal)) this.#named.get(last.literal)!.push(pattern);
      else this.#named.set(last.literal, [pattern]);
    }
    this.#root = { parent: undefined, name: '', path: '', decidedBy };
    this.#current = this.#root;
  }

  /** Whether `path` (absolute, no slash at its end) matches: the cheap half of `match`. */
  matches(path: ByteString): boolean {
    if (this.isEmpty) return false;
    const text = this.#ignoreCase ? lowerCase(path) : path;
    const slash = text.lastIndexOf('/');
    const folder =
      slash === this.#current.path.length && text.startsWith(this.#current.path)
        ? this.#current
        : this.#enter(text.slice(0, slash));
    const name = text.slice(slash + 1);
    const index = name === '' ? folder.decidedBy : this.#decide(folder, name);
    return index >= 0 && !this.#patterns[index]!.negated;
  }

  /** What the patterns say of `path` (absolute, no slash at its end) and, if it is a folder, of what is in it. */
  match(path: ByteString): PatternMatch {
    const childMayMatch = this.#childMayMatch(path);
    if (this.matches(path)) return childMayMatch ? BOTH : MATCHED;
    return childMayMatch ? CHILD : NEITHER;
  }

  /** A pattern that may still match below `path` counts, unless a later `!` takes back all of `path`. */
  #childMayMatch(path: ByteString): boolean {
    const text = path === '/' ? '' : this.#ignoreCase ? lowerCase(path) : path;
    const components = text.split('/');
    for (let i = this.#patterns.length - 1; i >= 0; i--) {
      const pattern = this.#patterns[i]!;
      if (!pattern.negated) {
        if (mayReach(pattern, components)) return true;
      } else if (fitsAbove(pattern, this.#enter(text))) return false;
    }
    return false;
  }

  #enter(path: ByteString): Folder {
    let end = path.length;
    const ends: number[] = [];
    let folder = this.#known(path);
    while (folder === undefined) {
      ends.push(end);
      end = path.lastIndexOf('/', end - 1);
      folder = this.#known(path.slice(0, end));
    }
    for (const next of ends.reverse()) {
      const name = path.slice(folder.path.length + 1, next);
      const decidedBy = this.#decide(folder, name);
      folder = { parent: folder, name, path: path.slice(0, next), decidedBy };
      if (this.#folders.size >= FOLDERS_MAX) this.#folders.clear();
      this.#folders.set(folder.path, folder);
    }
    this.#current = folder;
    return folder;
  }

  #known(path: ByteString): Folder | undefined {
    return path === '' ? this.#root : this.#folders.get(path);
  }

  /** The last pattern that matches `name` in `folder`. */
  #decide(folder: Folder, name: ByteString): number {
    let decidedBy = folder.decidedBy;
    const named = this.#named.get(name);
    for (let i = named === undefined ? -1 : named.length - 1; i >= 0; i--) {
      const pattern = named![i]!;
      if (pattern.index <= decidedBy) break;
      if (fitsFolder(pattern, folder)) decidedBy = pattern.index;
    }
    for (let i = this.#wildcards.length - 1; i >= 0; i--) {
      const pattern = this.#wildcards[i]!;
      if (pattern.index <= decidedBy) break;
      if (fits(pattern, folder, name)) decidedBy = pattern.index;
    }
    return decidedBy;
  }
}

function parsePattern(line: ByteString, index: number, ignoreCase: boolean): Pattern {
  const negated = line.startsWith('!');
  const clean = posix.normalize(negated ? line.slice(1) : line);
  const anchored = clean.startsWith('/');
  const components = (ignoreCase ? lowerCase(clean) : clean)
    .split('/')
    .filter((component) => component !== '');
  // What matches a folder matches all below it, so `**` at the end adds nothing; alone it is any name.
  while (components.at(-1) === '**') components.pop();
  if (components.length === 0 && !anchored) components.push('*');
  const parts = components.map((component) =>
    component === '**' ? 'deep' : compileComponent(component, line),
  );
  return { index, negated, anchored, parts };
}

/** Whether the whole of `pattern` fits `name` in `folder`. */
function fits(pattern: Pattern, folder: Folder, name: ByteString): boolean {
  const last = pattern.parts.at(-1) as ComponentMatcher;
  return last.matches(name) && fitsFolder(pattern, folder);
}

/**
 * Whether all parts but the last fit `folder`: up to its end, and from the root on if the pattern is
 * anchored. Goes from right to left, since paths mostly differ near their ends. After a mismatch only
 * the nearest `**` needs to take one more, so the work is at most parts × depth.
 */
function fitsFolder({ parts, anchored }: Pattern, folder: Folder): boolean {
  let part = parts.length - 2;
  let at = folder;
  let partBesideDeep = -1;
  let atBesideDeep: Folder | undefined;
  for (;;) {
    const wanted = parts[part];
    if (wanted === 'deep') {
      partBesideDeep = --part;
      atBesideDeep = at;
    } else if (wanted === undefined && (!anchored || at.parent === undefined)) {
      return true;
    } else if (at.parent !== undefined && wanted?.matches(at.name)) {
      part--;
      at = at.parent;
    } else {
      if (atBesideDeep?.parent === undefined) return false;
      part = partBesideDeep;
      at = atBesideDeep = atBesideDeep.parent;
    }
  }
}

/** Whether `pattern` fits `folder` or one above it. */
function fitsAbove(pattern: Pattern, folder: Folder): boolean {
  if (pattern.parts.length === 0) return true;
  for (let at = folder; at.parent !== undefined; at = at.parent) {
    if (fits(pattern, at.parent, at.name)) return true;
  }
  return false;
}

/** Whether `pattern` fits a path or may fit something below it. `components` begins with that of the root: ''. */
function mayReach({ parts, anchored }: Pattern, components: readonly ByteString[]): boolean {
  if (!anchored) return true;
  for (let i = 0; i < parts.length && i + 1 < components.length; i++) {
    const part = parts[i]!;
    if (part === 'deep') return true;
    if (!part.matches(components[i + 1]!)) return false;
  }
  return true;
}
