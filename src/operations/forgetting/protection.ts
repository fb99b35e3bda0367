import { EverfullError, hexOf } from '../../base/mod.ts';
import type { Image, RetentionState } from '../../repository/mod.ts';

/** By the dataset, hexadecimal, the image that was committed last. */
export type LastOfDatasets = ReadonlyMap<string, Image>;

export function lastOfDatasets(images: readonly Image[]): LastOfDatasets {
  const last = new Map<string, Image>();
  for (const image of images) {
    const dataset = hexOf(image.header.dataset);
    const before = last.get(dataset);
    if (before === undefined || isLater(image, before)) last.set(dataset, image);
  }
  return last;
}

/** One that stands for an older image has a higher number than newer ones. */
function isLater(image: Image, than: Image): boolean {
  return (
    image.committed > than.committed ||
    (image.committed === than.committed && image.header.sequence > than.header.sequence)
  );
}

/** Why an image stays though no rule keeps it, in words; empty where it may go. */
export function protectionOf(
  image: Image,
  { state, now, last }: { state: RetentionState; now: number; last: LastOfDatasets },
): string[] {
  const reasons = heldBy(image, state, now);
  if (last.get(hexOf(image.header.dataset)) === image) reasons.push('last of its dataset');
  return reasons;
}

/** The hold and the lock that keep an image at `now`, in words. */
export function heldBy({ header }: Image, state: RetentionState, now: number): string[] {
  const reasons: string[] = [];
  const hold = state.hold(header.session, now);
  if (hold !== undefined) reasons.push(hold.until === 0 ? 'hold' : `hold until ${timeText(hold.until)}`);
  const lock = state.lock(header.dataset, now);
  if (lock > 0) reasons.push(`locked until ${timeText(lock)}`);
  return reasons;
}

/**
 * Rejects by throwing 'retention' unless all of `images` may be forgotten together.
 *
 * @param all every image of the repository, by whatever names the same
 */
export function checkMayGo(
  images: readonly Image[],
  all: readonly Image[],
  {
    state,
    now,
    allowEmptyDataset,
  }: { readonly state: RetentionState; readonly now: number; readonly allowEmptyDataset: boolean },
): void {
  for (const image of images) {
    const [reason] = heldBy(image, state, now);
    if (reason === undefined) continue;
    const isLock = reason.startsWith('locked');
    throw new EverfullError('retention', `Could not forget image ${shown(image)}: ${reason}`, {
      advice: isLock
        ? 'A lock ends at its time; nobody can shorten it.'
        : `Release it with: everfull hold --release ${shown(image)}`,
    });
  }
  if (allowEmptyDataset) return;
  const chosen = new Set(images.map(({ header }) => hexOf(header.session)));
  const left = new Set(
    all.filter(({ header }) => !chosen.has(hexOf(header.session))).map(({ header }) => hexOf(header.dataset)),
  );
  const emptied = images.find(({ header }) => !left.has(hexOf(header.dataset)));
  if (emptied === undefined) return;
  throw new EverfullError(
    'retention',
    `Could not forget image ${shown(emptied)}: it is the last of its dataset`,
    {
      advice: 'To be left without any image of it: --allow-empty-dataset',
    },
  );
}

function shown({ id }: Image): string {
  return hexOf(id).slice(0, 8);
}

/** By the local clock, to the minute. */
export function timeText(time: number): string {
  const date = new Date(time);
  const two = (part: number) => String(part).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
