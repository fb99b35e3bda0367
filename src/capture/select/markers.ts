import { type ByteString, bytesOf, displayText, EverfullError } from '../../base/mod.ts';

/**
 * A file that, where it lies in a folder, keeps everything else in that folder out of the backup. The
 * folder itself and the marker stay.
 */
export interface Marker {
  readonly name: ByteString;
  /** What the file must begin with; without it, an entry of this name is enough, of whatever type. */
  readonly header?: Buffer;
}

/** `--exclude-caches`: the Cache Directory Tagging Specification, https://bford.info/cachedir/ */
export const CACHE_MARKER: Marker = {
  name: 'CACHEDIR.TAG',
  header: Buffer.from('Signature: 8a477f597d28d172789f06886806bc55'),
};

/**
 * A marker from `NAME` or `NAME:HEADER`, where the first colon ends the name.
 * Throws `usage` if the name is empty or holds a slash.
 */
export function parseExcludeIfPresent(text: ByteString): Marker {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const header = colon < 0 ? '' : text.slice(colon + 1);
  if (name === '' || name.includes('/')) {
    const found = name === '' ? 'the file name is empty' : 'a file name holds no slash';
    throw new EverfullError('usage', `cannot use "${displayText(text)}" to mark folders: ${found}`, {
      advice: 'Write NAME or NAME:HEADER.',
    });
  }
  return header === '' ? { name } : { name, header: bytesOf(header) };
}
