import { type ByteString, EverfullError } from '../base/mod.ts';
import type { CompressionMode } from '../chunk/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { indexRootOf, throwIfInterrupted } from './reading.ts';
import { replaceImage } from './replace-image.ts';

/** Each a list of tags with commas; an empty list has none. */
export interface TagChanges {
  /** All that the image is to have; not together with the others. */
  readonly set?: readonly ByteString[] | undefined;
  readonly add?: readonly ByteString[] | undefined;
  readonly remove?: readonly ByteString[] | undefined;
}

export interface TagOptions extends TagChanges {
  readonly images: readonly Image[];
  readonly compression: CompressionMode;
  /** Told of each image that has other tags now, under a new id. */
  changed(before: Image, after: Image): void;
}

/**
 * Gives images other tags. Since an image is signed and never changes, each one becomes a new one with the
 * same index, and the old one is forgotten. How many have changed.
 *
 * Rejects with 'usage' where nothing is to be changed, and with 'retention' at the first image that is held or locked.
 */
export async function tag(context: OperationContext, options: TagOptions): Promise<number> {
  const { images, compression, changed } = options;
  checkChanges(options);
  let count = 0;
  for (const image of images) {
    throwIfInterrupted(context.signal);
    const tags = changedTags(image.body.tags, options);
    if (tags === undefined) continue;
    const after = await replaceImage(context, image, {
      compression,
      keepOriginal: false,
      build: async () => ({
        root: indexRootOf(image),
        body: { ...image.body, tags, original: originOf(image) },
      }),
    });
    changed(image, after);
    count++;
  }
  return count;
}

/** The image that one with the same index stands for. */
function originOf({ id, body }: Image): Uint8Array {
  return body.original.some((byte) => byte !== 0) ? body.original : id;
}

function checkChanges({ set, add = [], remove = [] }: TagChanges): void {
  if (set === undefined && add.length + remove.length === 0)
    throw new EverfullError('usage', 'Could not change tags: none are given', {
      advice: 'Use --set, --add or --remove.',
    });
  if (set !== undefined && add.length + remove.length > 0)
    throw new EverfullError('usage', 'Could not change tags: --set leaves nothing to add or remove');
}

/** The tags after the changes; undefined where they are the same. */
export function changedTags(
  before: readonly ByteString[],
  { set, add = [], remove = [] }: TagChanges,
): ByteString[] | undefined {
  const removed = new Set(listed(remove));
  const after =
    set === undefined
      ? [...new Set([...before, ...listed(add)])].filter((name) => !removed.has(name))
      : [...new Set(listed(set))];
  const isSame = after.length === before.length && after.every((name, i) => name === before[i]);
  return isSame ? undefined : after;
}

function listed(lists: readonly ByteString[]): ByteString[] {
  return lists
    .flatMap((list) => list.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
