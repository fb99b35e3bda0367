import type { ByteString } from '../../base/mod.ts';
import type { Image } from '../../repository/mod.ts';

/** What images can have in common. */
export type GroupBy = 'host' | 'paths' | 'tags';
export const GROUP_BY: readonly GroupBy[] = ['host', 'paths', 'tags'];

/** Images that are one history, with what they have in common; what they are not grouped by is undefined. */
export interface ImageGroup {
  readonly host: ByteString | undefined;
  readonly paths: readonly ByteString[] | undefined;
  /** Sorted. */
  readonly tags: readonly ByteString[] | undefined;
  /** In the order in which they were given. */
  readonly images: readonly Image[];
}

/** `images` by what they have in common, in the order of the first of each group. */
export function groupsOf(images: readonly Image[], by: readonly GroupBy[]): ImageGroup[] {
  const groups = new Map<string, ImageGroup & { readonly images: Image[] }>();
  for (const image of images) {
    const { body } = image;
    const host = by.includes('host') ? body.host : undefined;
    const paths = by.includes('paths') ? body.paths : undefined;
    const tags = by.includes('tags') ? body.tags.toSorted() : undefined;
    const key = JSON.stringify([host, paths, tags]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { host, paths, tags, images: [image] });
    else group.images.push(image);
  }
  return [...groups.values()];
}
