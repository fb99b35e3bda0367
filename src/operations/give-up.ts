import { byteStringFromText, type EverfullError } from '../base/mod.ts';
import { DecisionKind } from '../format/mod.ts';
import { decideRetention, type UnreadableImage } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';

/** An image of which nobody can tell what it holds. */
export interface GivenUp {
  /** The manifest or end record that cannot be read. */
  readonly object: string;
  readonly error: EverfullError;
  /** Whether it is forgotten now. One that is held or locked stays. */
  readonly isForgotten: boolean;
}

/**
 * Forgets the images whose manifest or end record is damaged or gone for good: nothing can be restored from
 * them, and as long as they count no collection can tell what is in use.
 */
export async function giveUpImages(
  { repository, clock }: OperationContext,
  { dryRun }: { readonly dryRun: boolean },
): Promise<GivenUp[]> {
  const unreadable = await repository.unreadableImages();
  if (unreadable.length === 0 || dryRun) return unreadable.map(notForgotten);
  const note = byteStringFromText('given up: unreadable');
  const state = await decideRetention(repository.store, clock, (before) => {
    const now = clock.now();
    return unreadable
      .filter(
        ({ session, dataset }) =>
          !before.isForgotten(session) &&
          before.hold(session, now) === undefined &&
          before.lock(dataset, now) === 0,
      )
      .map(({ session }) => ({ kind: DecisionKind.forget, subject: session, until: 0, note }));
  });
  return unreadable.map((image) => ({
    ...notForgotten(image),
    isForgotten: state.isForgotten(image.session),
  }));
}

function notForgotten({ object, error }: UnreadableImage): GivenUp {
  return { object, error, isForgotten: false };
}
