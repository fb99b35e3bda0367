import { lstatSync, readdirSync } from 'node:fs';
import { type ByteString, bytesOf, displayText, EverfullError, errnoOf } from '../../base/mod.ts';
import { compileComponent, hasWildcards } from './component.ts';

export interface GlobResult {
  /** In byte order within each folder; relative where the pattern is. Empty: the pattern fits nothing. */
  readonly paths: readonly ByteString[];
  /** Folders that could not be listed, so that `paths` may lack something. */
  readonly failures: readonly EverfullError[];
}

/**
 * The paths that exist and fit `pattern`, a line of a `--files-from` file. Components are in the syntax
 * of Go's `filepath.Match` (a `*` fits names with a leading dot too; `**` is no more than `*`). Unlike
 * in Go, slashes at the end mean nothing, and a path that exists but cannot be examined counts: the backup
 * then reports it.
 *
 * Throws `usage` for a pattern that is not well-formed.
 */
export function expandGlob(pattern: ByteString): GlobResult {
  const components = pattern.split('/').filter((component) => component !== '');
  if (components.length === 0) return { paths: pattern === '' ? [] : ['/'], failures: [] };
  const failures: EverfullError[] = [];
  let paths: ByteString[] = [pattern.startsWith('/') ? '/' : ''];
  for (const component of components) {
    if (!hasWildcards(component)) {
      paths = paths.map((folder) => join(folder, component));
      continue;
    }
    const { matches } = compileComponent(component, pattern);
    paths = paths.flatMap((folder) =>
      listNames(folder, failures)
        .filter((name) => matches(name))
        .map((name) => join(folder, name)),
    );
  }
  return { paths: paths.filter(exists), failures };
}

function join(folder: ByteString, name: ByteString): ByteString {
  return folder === '' || folder === '/' ? folder + name : `${folder}/${name}`;
}

function listNames(folder: ByteString, failures: EverfullError[]): ByteString[] {
  try {
    return readdirSync(bytesOf(folder === '' ? '.' : folder), { encoding: 'latin1' }).sort();
  } catch (error) {
    if (!isAbsence(error)) {
      const message = `cannot list the folder "${displayText(folder)}": ${errnoOf(error) ?? error}`;
      failures.push(new EverfullError('source-unreadable', message, { cause: error }));
    }
    return [];
  }
}

function exists(path: ByteString): boolean {
  try {
    lstatSync(bytesOf(path));
    return true;
  } catch (error) {
    return !isAbsence(error);
  }
}

/** ENOTDIR says as surely as ENOENT that nothing has this path. */
function isAbsence(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}
