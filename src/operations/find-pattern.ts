import { posix } from 'node:path';
import { type ByteString, EverfullError } from '../base/mod.ts';
import { type ComponentMatcher, compileComponent, lowerCase } from '../capture/select/mod.ts';
import type { PathPattern } from '../catalog/mod.ts';

/** A component of a path, or `**`, which stands for any number of them. */
type Part = ComponentMatcher | 'deep';

const ANY_NAME: ComponentMatcher = { matches: () => true };

/**
 * Compiles a pattern of `find`, in the syntax of the excludes: `*`, `?`, `[a-z]`, `\c`, and `**` for any
 * number of folders. Without a slash it is matched against base names; with one against whole paths, which
 * it fits from the root on if it begins with the slash, else at any depth.
 *
 * What matches a folder does not match what is in the folder: that is what `DIR/**` is for.
 * Throws 'usage' for a pattern that is empty or not well-formed.
 */
export function compileFindPattern(
  pattern: ByteString,
  options: { readonly ignoreCase: boolean },
): PathPattern {
  if (pattern === '')
    throw new EverfullError('usage', 'Could not use the pattern "": it is empty', {
      advice: "Use '*' to find everything.",
    });
  const folded = options.ignoreCase ? lowerCase : (text: ByteString) => text;
  const clean = posix.normalize(pattern);
  const parts = clean
    .split('/')
    .filter((component) => component !== '')
    .map((component): Part => (component === '**' ? 'deep' : compileComponent(folded(component), pattern)));
  if (!clean.startsWith('/')) parts.unshift('deep');
  const last = parts.at(-1);
  // "/" is left without a part: the root is in no folder, and nothing else matches.
  if (last === undefined) return { matchesName: () => false, matchesFolder: () => false };
  const name = last === 'deep' ? ANY_NAME : last;
  const above = last === 'deep' ? parts : parts.slice(0, -1);
  return {
    literal: options.ignoreCase ? undefined : name.literal,
    matchesName: (text) => name.matches(folded(text)),
    matchesFolder: (folder) =>
      fits(
        above,
        folded(folder)
          .split('/')
          .filter((component) => component !== ''),
      ),
  };
}

/** Whether `parts` fit all of `components`. After a mismatch only the nearest `**` needs to take one more. */
function fits(parts: readonly Part[], components: readonly ByteString[]): boolean {
  let part = 0;
  let partAfterDeep = -1;
  let taken = 0;
  for (let at = 0; at < components.length; ) {
    const wanted = parts[part];
    if (wanted === 'deep') {
      partAfterDeep = ++part;
      taken = at;
    } else if (wanted?.matches(components[at]!)) {
      part++;
      at++;
    } else if (partAfterDeep >= 0) {
      part = partAfterDeep;
      at = ++taken;
    } else {
      return false;
    }
  }
  while (parts[part] === 'deep') part++;
  return part === parts.length;
}
