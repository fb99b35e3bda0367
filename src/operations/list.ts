import { type ByteString, displayText } from '../base/mod.ts';
import { type Entry, EntryType, pathKeyOf } from '../format/mod.ts';
import type { ImageReader, WalkedEntry } from '../image/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { entryAt, readerOf, shortId, throwIfInterrupted } from './reading.ts';

export interface ListOptions {
  /** Everything below, not only what is directly in the folder. */
  readonly recursive?: boolean | undefined;
}

/**
 * What `path` of an image holds, in key order (a folder's entries by name, then the folders in it).
 *
 * Without `recursive` what is directly in the folder; with it the folder itself and everything below.
 * What is no folder is given itself. Without a path, what was backed up is meant: the entries of each
 * path that the image was made of; with `recursive` the whole image, folders on the way included.
 * Rejects with 'path-missing'.
 */
export async function* listImage(
  context: OperationContext,
  image: Image,
  path: ByteString | undefined,
  options: ListOptions = {},
): AsyncGenerator<WalkedEntry> {
  // One generator over whole leaves: each further one that every entry had to pass would cost as much as reading it.
  for await (const leaf of leavesOf(context, image, path, options)) {
    throwIfInterrupted(context.signal);
    for (const item of leaf) yield item;
  }
}

async function* leavesOf(
  context: OperationContext,
  image: Image,
  path: ByteString | undefined,
  { recursive }: ListOptions,
): AsyncGenerator<readonly WalkedEntry[]> {
  const reader = readerOf(context.repository, image);
  if (recursive) {
    if (path !== undefined) await entryAt(reader, image, path);
    yield* reader.walkLeaves(path ?? '/');
    return;
  }
  if (path !== undefined) {
    yield* listOne(reader, path, await entryAt(reader, image, path));
    return;
  }
  for (const top of image.body.paths) {
    const entry = await reader.lookUp(top);
    if (entry === undefined)
      context.notice(
        `"${displayText(top)}" is not in image ${shortId(image.id)}: it was not there at that time`,
      );
    else yield* listOne(reader, top, entry);
  }
}

async function* listOne(
  reader: ImageReader,
  path: ByteString,
  entry: Entry,
): AsyncGenerator<readonly WalkedEntry[]> {
  if (entry.type === EntryType.folder) yield* reader.listLeaves(path);
  else yield [{ path, key: pathKeyOf(path), entry }];
}
