import { type ByteString, displayText, EverfullError, hexOf } from '../base/mod.ts';
import { type Entry, FrameKind } from '../format/mod.ts';
import { ImageReader, type NodeSource, type TreeRoot } from '../image/mod.ts';
import type { Image, Manifest, Repository } from '../repository/mod.ts';

/** Digits of an id that are shown to people. */
export const SHORT_ID_DIGITS = 8;

export function shortId(id: Uint8Array): string {
  return hexOf(id).slice(0, SHORT_ID_DIGITS);
}

export function indexRootOf({ header }: Pick<Manifest, 'header'>): TreeRoot {
  return {
    root: header.indexRoot,
    level: header.indexLevel,
    items: header.indexItems,
    length: header.indexLength,
  };
}

/** The nodes of a repository, authenticated. */
export function nodesOf(repository: Repository): NodeSource {
  return async (kind, id) => (await repository.frame(kind, id)).plain;
}

export function readerOf(repository: Repository, image: Pick<Manifest, 'header'>): ImageReader {
  const chunk = async (id: Uint8Array) => (await repository.frame(FrameKind.chunk, id)).plain;
  return new ImageReader({ node: nodesOf(repository), chunk }, indexRootOf(image));
}

/** The entry at `path`. Rejects with 'path-missing'. */
export async function entryAt(reader: ImageReader, image: Image, path: ByteString): Promise<Entry> {
  const entry = await reader.lookUp(path);
  if (entry !== undefined) return entry;
  throw new EverfullError(
    'path-missing',
    `Could not find "${displayText(path)}" in image ${shortId(image.id)}: it holds no such path`,
    {
      context: { path: displayText(path), image: hexOf(image.id) },
      advice: `See what it holds with: everfull ls ${shortId(image.id)}`,
    },
  );
}

/** Throws 'interrupted' once the signal was given. Reading leaves nothing behind. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new EverfullError('interrupted', 'Could not go on: the work was interrupted');
}

/** The same items; ends with 'interrupted' once the signal was given. */
export async function* untilInterrupted<T>(signal: AbortSignal, items: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const item of items) {
    throwIfInterrupted(signal);
    yield item;
  }
}
