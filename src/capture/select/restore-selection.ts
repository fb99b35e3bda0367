import { type ByteString, EverfullError } from '../../base/mod.ts';
import { compilePatterns, type PatternList } from './patterns.ts';
import { compileExcludes, type ExcludeOptions, type Excludes } from './selection.ts';

export interface RestoreSelectionOptions extends ExcludeOptions {
  readonly includes?: readonly ByteString[];
  /** Patterns that ignore case. */
  readonly iincludes?: readonly ByteString[];
}

export interface RestoreChoice {
  /** The entry is restored. */
  readonly selected: boolean;
  /** If the entry is a folder: something in it may be selected. */
  readonly descend: boolean;
}

/**
 * What a restore takes out of an image: everything that no exclude matches, or everything that an
 * include matches. A folder that is not selected is still made if something in it is.
 */
export class RestoreSelection {
  readonly #includes: readonly PatternList[];
  readonly #excludes: Excludes;

  /** Throws `usage` for a pattern that is not well-formed, and for includes together with excludes. */
  constructor(options: RestoreSelectionOptions = {}) {
    this.#excludes = compileExcludes(options);
    this.#includes = [
      compilePatterns(options.includes ?? []),
      compilePatterns(options.iincludes ?? [], { ignoreCase: true }),
    ].filter((list) => !list.isEmpty);
    if (this.#includes.length > 0 && !this.#excludes.isEmpty) {
      throw new EverfullError(
        'usage',
        'cannot restore with both include and exclude patterns: they contradict',
        {
          advice: 'Give one kind; an include pattern with ! in front takes back what an earlier one matched.',
        },
      );
    }
  }

  /** What to do with `path`: absolute, as it is in the image, no slash at its end. */
  choose(path: ByteString): RestoreChoice {
    if (this.#includes.length === 0) {
      const selected = !this.#excludes.matches(path);
      return { selected, descend: selected };
    }
    let selected = false;
    let descend = false;
    for (const list of this.#includes) {
      const { matched, childMayMatch } = list.match(path);
      selected ||= matched;
      descend ||= childMayMatch;
    }
    return { selected, descend };
  }
}
