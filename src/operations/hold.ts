import { type ByteString, EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import { ALL_DATASETS, type Decision, DecisionKind } from '../format/mod.ts';
import {
  decideRetention,
  type Hold,
  type Image,
  type RetentionState,
  readRetention,
} from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { lastOfDatasets, timeText } from './forgetting/mod.ts';
import { type ImageFilter, imageNamed, isSelected, selectImages } from './images.ts';

export interface HoldOptions {
  /** Which images, as {@link imageNamed} understands them. */
  readonly images: readonly ByteString[];
  /** What narrows them. */
  readonly filter: ImageFilter;
}

export interface HeldImage {
  readonly image: Image;
  readonly hold: Hold;
}

/** A lock of the repository, or of the dataset that `image` is the last of. */
export interface DatasetLock {
  readonly image: Image | undefined;
  readonly lock: Hold;
}

/**
 * Keeps images from being forgotten until a time (ms since 1970), or without an end (0). All of them are held by one
 * decision, or none. Rejects with 'usage' for a time that is past, and where a longer hold is in force;
 * 'image-missing'.
 */
export async function holdImages(
  context: OperationContext,
  { until, note, ...which }: HoldOptions & { readonly until: number; readonly note: ByteString },
): Promise<Image[]> {
  const { clock } = context;
  if (until !== 0) checkFuture('hold images', until, clock.now());
  return decideOn(context, which, (image, state) => {
    const hold = state.hold(image.header.session, clock.now());
    if (hold?.until === until && hold.note === note) return undefined;
    if (hold !== undefined && isLonger(hold.until, until)) {
      const id = hexOf(image.id).slice(0, 8);
      const end = hold.until === 0 ? 'without an end' : `until ${timeText(hold.until)}`;
      throw new EverfullError('usage', `Could not hold image ${id} so long: it is held ${end}`, {
        advice: `Release it first: everfull hold --release ${id}`,
      });
    }
    return { kind: DecisionKind.hold, subject: image.header.session, until, note };
  });
}

/** Ends all holds on images. Images that are not held are left as they are. Rejects with 'image-missing'. */
export function releaseImages(context: OperationContext, which: HoldOptions): Promise<Image[]> {
  return decideOn(context, which, ({ header: { session } }, state) =>
    state.hold(session, context.clock.now()) === undefined
      ? undefined
      : { kind: DecisionKind.release, subject: session, until: 0, note: '' },
  );
}

/** The images that are meant; what is not in force for them already is decided at once. */
async function decideOn(
  context: OperationContext,
  { images, filter }: HoldOptions,
  decide: (image: Image, state: RetentionState) => Decision | undefined,
): Promise<Image[]> {
  let meant: Image[] = [];
  await decideRetention(context.repository.store, context.clock, async (state) => {
    const among = (await selectImages(context)).filter(
      (image) => isSelected(image, filter) && !state.isForgotten(image.header.session),
    );
    meant = [...new Set(images.map((spec) => imageNamed(among, spec)))];
    return meant.map((image) => decide(image, state)).filter((decision) => decision !== undefined);
  });
  return meant;
}

/** All holds and locks in force, by the images that they are about; oldest image first. */
export async function listHolds(
  context: OperationContext,
): Promise<{ holds: HeldImage[]; locks: DatasetLock[] }> {
  const { repository, clock } = context;
  const now = clock.now();
  // First: see RetentionState.
  const state = await readRetention(repository.store);
  const images = await selectImages(context);
  const last = lastOfDatasets(images);
  const holds = images.flatMap((image) => {
    const hold = state.hold(image.header.session, now);
    return hold === undefined ? [] : [{ image, hold }];
  });
  const locks: DatasetLock[] = [];
  for (const [dataset, lock] of state.locks(now)) {
    const image = last.get(hexOf(dataset));
    if (image !== undefined || equalBytes(dataset, ALL_DATASETS)) locks.push({ image, lock });
  }
  return { holds, locks };
}

function isLonger(until: number, than: number): boolean {
  return than !== 0 && (until === 0 || until > than);
}

/** Throws 'usage' for a time that is not after `now`. */
export function checkFuture(what: string, until: number, now: number): void {
  if (until > now) return;
  throw new EverfullError('usage', `Could not ${what} until ${timeText(until)}: that is not in the future`);
}

/** Tells which of images that are read after it are held. */
export async function readHolds({
  repository,
  clock,
}: OperationContext): Promise<(image: Image) => Hold | undefined> {
  const state = await readRetention(repository.store);
  const now = clock.now();
  return ({ header }) => state.hold(header.session, now);
}
