import { type ByteString, EverfullError } from '../base/mod.ts';
import { ALL_DATASETS, DecisionKind } from '../format/mod.ts';
import { decideRetention, type Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { timeText } from './forgetting/mod.ts';
import { checkFuture } from './hold.ts';
import { type ImageFilter, imageNamed, isSelected, selectImages } from './images.ts';

export interface LockOptions {
  /** An image of the dataset that is meant, as {@link imageNamed} understands it; undefined for the repository. */
  readonly dataset: ByteString | undefined;
  readonly filter: ImageFilter;
  /** Ms since 1970. */
  readonly until: number;
  readonly note: ByteString;
}

/**
 * Keeps all images of a dataset, or of the repository, from being forgotten until a time: those that there are,
 * and those that are made before it. Nobody can shorten that. Rejects with 'usage' for a time that is past, and
 * where a longer lock is in force; 'image-missing'.
 *
 * @returns the image by which the dataset was named
 */
export async function lockDataset(
  context: OperationContext,
  { dataset, filter, until, note }: LockOptions,
): Promise<Image | undefined> {
  const { repository, clock } = context;
  checkFuture('lock', until, clock.now());
  let image: Image | undefined;
  await decideRetention(repository.store, clock, async (state) => {
    if (dataset !== undefined) {
      const among = (await selectImages(context)).filter((each) => isSelected(each, filter));
      image = imageNamed(among, dataset);
    }
    const subject = image?.header.dataset ?? ALL_DATASETS;
    const before = state.lock(subject, clock.now());
    if (before === until) return [];
    if (before > until)
      throw new EverfullError(
        'usage',
        `Could not lock until ${timeText(until)}: it is locked until ${timeText(before)} already`,
        { advice: 'A lock can be prolonged, never shortened.' },
      );
    return [{ kind: DecisionKind.lock, subject, until, note }];
  });
  return image;
}
