import { type ByteString, EverfullError } from '../base/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { type ImageFilter, imageNamed, isSelected, selectImages } from './images.ts';

/** Images to work on. */
export interface ChosenImages {
  /** Those that are meant, oldest first, each once. */
  readonly images: readonly Image[];
  /** Every image of the repository, oldest first. */
  readonly all: readonly Image[];
}

/**
 * The images that `names` mean (see {@link imageNamed}) of those that `filter` leaves, or, where none is named,
 * all of these. Rejects with 'usage', 'image-missing' (also where the filter leaves none) or 'image-ambiguous'.
 */
export async function chosenImages(
  context: OperationContext,
  names: readonly ByteString[],
  filter: ImageFilter,
): Promise<ChosenImages> {
  const all = await selectImages(context);
  const among = all.filter((image) => isSelected(image, filter));
  if (among.length === 0)
    throw new EverfullError('image-missing', 'Could not choose images: none fits what was given', {
      advice: 'See all images with: everfull images',
    });
  const named = new Set(names.map((name) => imageNamed(among, name)));
  const images: Image[] = [];
  for (const image of among) {
    if (names.length > 0 && !named.has(image)) continue;
    // What is read by it must come from the store, not from what was kept of it.
    images.push(await context.repository.image(image.header.session));
  }
  return { images, all };
}
