import type { ByteString } from '../base/mod.ts';

/**
 * The key of a path in an image's index.
 *
 * Each component of the folder is followed by a NUL, then another NUL, then the name: `/usr/lib/x` is
 * `usr NUL lib NUL NUL x`. Names hold no NUL, so plain byte order puts a folder's own entries side by
 * side and before those of its subfolders, and everything below a folder into one range. The root
 * folder `/` has the empty key.
 */
export type PathKey = ByteString;

export function pathKeyOf(path: ByteString): PathKey {
  if (path === '/') return '';
  const slash = path.lastIndexOf('/');
  return folderPrefix(path.slice(0, slash)) + path.slice(slash + 1);
}

export function pathOfKey(key: PathKey): ByteString {
  if (key === '') return '/';
  const double = key.charCodeAt(0) === 0 ? 0 : key.indexOf('\0\0') + 1;
  const folder = key.slice(0, double).replaceAll('\0', '/');
  return `/${folder}${key.slice(double + 1)}`;
}

/** What the keys of the entries directly in the folder `path` begin with. */
export function folderPrefix(path: ByteString): ByteString {
  return `${subtreePrefix(path)}\0`;
}

/** What the keys of everything below the folder `path` begin with; empty for the root. */
export function subtreePrefix(path: ByteString): ByteString {
  if (path === '/' || path === '') return '';
  return `${path.slice(1).replaceAll('/', '\0')}\0`;
}

/** The least key that is above every key beginning with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: ByteString): ByteString | undefined {
  for (let last = prefix.length - 1; last >= 0; last--) {
    const code = prefix.charCodeAt(last);
    if (code < 0xff) return prefix.slice(0, last) + String.fromCharCode(code + 1);
  }
  return undefined;
}

/** Whether `key` has the shape that {@link pathKeyOf} makes: no empty component, none of `.` and `..`. */
export function isPathKey(key: ByteString): boolean {
  if (key === '') return true;
  const parts = key.split('\0');
  const name = parts.pop();
  if (parts.pop() !== '') return false;
  return isName(name!) && parts.every(isName);
}

/** Whether `name` can be the name of a folder's entry. */
export function isName(name: ByteString): boolean {
  return (
    name.length > 0 && name.length <= NAME_BYTES_MAX && name !== '.' && name !== '..' && !name.includes('/')
  );
}

/** Linux allows 255; other systems count UTF-16 units, up to 3 bytes each. */
export const NAME_BYTES_MAX = 765;
