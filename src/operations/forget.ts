import { type ByteString, displayText, EverfullError } from '../base/mod.ts';
import { type Decision, DecisionKind } from '../format/mod.ts';
import { decideRetention, type Image, type RetentionState } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import {
  applyPolicy,
  checkMayGo,
  type GroupBy,
  groupsOf,
  hasTags,
  type ImageGroup,
  type KeepPolicy,
  keepsSomething,
  lastOfDatasets,
  protectionOf,
} from './forgetting/mod.ts';
import { absolutePath, type ImageFilter, imageNamed, isSelected, selectImages } from './images.ts';

export interface ForgetOptions {
  /** What stays; not together with `images`. */
  readonly policy: KeepPolicy;
  /** The images that have these in common are one history, to which the policy applies. */
  readonly groupBy: readonly GroupBy[];
  /** Only these images are looked at. */
  readonly filter: Pick<ImageFilter, 'host' | 'path' | 'tag'>;
  /** These images go, and no others: as {@link imageNamed} understands them. */
  readonly images: readonly ByteString[];
  /** Lets `images` leave a dataset without any. No policy does. */
  readonly allowEmptyDataset: boolean;
  /** Changes nothing. */
  readonly dryRun: boolean;
}

export interface KeptImage {
  readonly image: Image;
  /** Why it stays, in words; at least one. */
  readonly reasons: readonly string[];
}

/** What becomes of the images of a group, newest first. */
export interface ForgottenGroup extends ImageGroup {
  readonly keep: readonly KeptImage[];
  readonly remove: readonly Image[];
}

/**
 * Forgets the images that the policy does not keep, or those that are named: all of them by one decision, or
 * none. What they use is deleted by `prune`. The time that counts is the repository's.
 *
 * Whatever the policy says, an image stays that is held or locked, and the last image of each dataset. Rejects
 * with 'usage' where nothing says what is to stay or to go; 'image-missing' where a host, path, tag or image that
 * was named is that of none, so that a mistyped one forgets nothing; 'retention' where an image that was named
 * may not go.
 */
export async function forget(context: OperationContext, options: ForgetOptions): Promise<ForgottenGroup[]> {
  const { policy, images, dryRun } = options;
  if (images.length === 0 && !keepsSomething(policy))
    throw new EverfullError(
      'usage',
      'Could not choose what to forget: no image is named, and no --keep-… rule',
      {
        advice:
          'Name images, or say what stays, for example: --keep-daily 7 --keep-weekly 5 --keep-monthly 12',
      },
    );
  if (images.length > 0 && keepsSomething(policy))
    throw new EverfullError(
      'usage',
      'Could not choose what to forget: images are named, and --keep-… rules',
      {
        advice: 'Do one after the other.',
      },
    );
  let groups: ForgottenGroup[] = [];
  let decided = false;
  await decideRetention(context.repository.store, context.clock, async (state) => {
    const forgotten = groups.flatMap(({ remove }) => remove);
    // Asked again, and what was said before is in force.
    if (decided && forgotten.every(({ header }) => state.isForgotten(header.session))) return [];
    const all = (await selectImages(context)).filter(({ header }) => !state.isForgotten(header.session));
    groups = images.length > 0 ? named(all, state, context, options) : ruled(all, state, context, options);
    decided = true;
    return dryRun ? [] : groups.flatMap(({ remove }) => remove.map(forgetting));
  });
  return groups;
}

function forgetting({ header }: Image): Decision {
  return { kind: DecisionKind.forget, subject: header.session, until: 0, note: '' };
}

function named(
  all: readonly Image[],
  state: RetentionState,
  { clock }: OperationContext,
  { images, filter, groupBy, allowEmptyDataset }: ForgetOptions,
): ForgottenGroup[] {
  const among = all.filter((image) => isSelected(image, filter));
  const chosen = new Set(images.map((spec) => imageNamed(among, spec)));
  checkMayGo([...chosen], all, { state, now: clock.now(), allowEmptyDataset });
  return groupsOf([...chosen], groupBy).map(({ images, ...group }) => ({
    ...group,
    images,
    keep: [],
    remove: images,
  }));
}

/** An image that was committed later than this from now says nothing of how old others are. */
const CLOCKS_APART_MS = 3_600_000;

function ruled(
  all: readonly Image[],
  state: RetentionState,
  { clock, notice }: OperationContext,
  { policy, filter, groupBy }: ForgetOptions,
): ForgottenGroup[] {
  checkSelectors(all, filter);
  checkTags(all, policy, notice);
  const among = all.filter((image) => isSelected(image, filter));
  const last = lastOfDatasets(all);
  const now = clock.now();
  return groupsOf(among, groupBy).map((group) => {
    // Of two that stand for the same time the one that took the other's place comes first.
    const images = group.images.toSorted((a, b) => b.header.sequence - a.header.sequence);
    const isFuture = ({ committed }: Image) => committed > now + CLOCKS_APART_MS;
    const candidates = images
      .filter((image) => !isFuture(image))
      .map((image) => ({ image, time: image.committed, tags: image.body.tags }));
    const keep: KeptImage[] = images
      .filter(isFuture)
      .map((image) => ({ image, reasons: ['from a clock that is ahead'] }));
    const remove: Image[] = [];
    for (const { image: candidate, reasons } of applyPolicy(candidates, policy)) {
      const { image } = candidate;
      const why = reasons.length > 0 ? reasons : protectionOf(image, { state, now, last });
      if (why.length > 0) keep.push({ image, reasons: why });
      else remove.push(image);
    }
    return { ...group, keep, remove };
  });
}

/** A selector that fits nothing is a mistake. */
function checkSelectors(all: readonly Image[], filter: ForgetOptions['filter']): void {
  const { host = [], path = [], tag = [] } = filter;
  const parts = [
    ...host.map((name) => [`--host "${displayText(name)}"`, { host: [name] }] as const),
    ...path.map((each) => [`--path "${displayText(absolutePath(each))}"`, { path: [each] }] as const),
    ...tag.map((list) => [`--tag "${displayText(list)}"`, { tag: [list] }] as const),
  ];
  if (parts.length === 0) return;
  for (const [flag, part] of [...parts, [parts.map(([flag]) => flag).join(' '), filter] as const]) {
    if (all.some((image) => isSelected(image, part))) continue;
    throw new EverfullError('image-missing', `Could not find an image with ${flag}: nothing is forgotten`, {
      advice: 'See all images with: everfull images',
    });
  }
}

/** A mistyped --keep-tag keeps nothing: with no other rule it would forget all that it was to keep. */
function checkTags(
  all: readonly Image[],
  { tags = [], ...others }: KeepPolicy,
  notice: (message: string) => void,
): void {
  for (const list of tags) {
    if (all.some(({ body }) => hasTags(body.tags, list))) continue;
    const found = `no image has the tags "${displayText(list)}" of --keep-tag`;
    if (keepsSomething(others)) notice(`${found[0]!.toUpperCase()}${found.slice(1)}.`);
    else if (all.length > 0)
      throw new EverfullError('image-missing', `Could not tell what stays: ${found}`, {
        advice: 'See the tags with: everfull images',
      });
  }
}

/** Counts of all groups together. */
export function forgetTotals(groups: readonly ForgottenGroup[]): { kept: number; removed: number } {
  return {
    kept: groups.reduce((sum, { keep }) => sum + keep.length, 0),
    removed: groups.reduce((sum, { remove }) => sum + remove.length, 0),
  };
}
