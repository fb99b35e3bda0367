import { EverfullError } from '../base/mod.ts';
import type { CompressionMode } from '../chunk/mod.ts';
import { DecisionKind, type ManifestBody } from '../format/mod.ts';
import type { TreeRoot } from '../image/mod.ts';
import {
  decideRetention,
  type Image,
  type RetentionState,
  readRetention,
  type WriteSession,
} from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { heldBy } from './forgetting/mod.ts';
import { shortId } from './reading.ts';

export interface ReplaceOptions {
  readonly compression: CompressionMode;
  /** Leaves the old image as it is, beside the new one. */
  readonly keepOriginal: boolean;
  /** Makes the index of the new image, in a session that builds on the old one. */
  build(session: WriteSession): Promise<{ readonly root: TreeRoot; readonly body: ManifestBody }>;
}

/**
 * Puts a new image in the place of one: of the same dataset, and committed when the old one was, so that
 * retention sees the old one in it. A crash in between leaves both.
 *
 * Rejects with 'retention' where the old image is held or locked, before anything is stored.
 */
export async function replaceImage(
  context: OperationContext,
  image: Image,
  { compression, keepOriginal, build }: ReplaceOptions,
): Promise<Image> {
  const { repository, clock } = context;
  const { store } = repository;
  if (!keepOriginal) checkMayChange(await readRetention(store), image, clock.now());
  const session = await repository.openSession(image.header.dataset, { compression, clock, base: image });
  try {
    const built = await build(session);
    await session.commit({
      endpoint: await repository.endpoint(image.body.host),
      kind: image.header.kind,
      ...built,
      committed: image.committed,
    });
  } catch (error) {
    // The error that ended the work is the one to tell of, whatever happens while the session is ended.
    await session.abort({ keep: false }).catch(() => {});
    throw error;
  }
  if (!keepOriginal)
    await decideRetention(store, clock, (state) => {
      if (state.isForgotten(image.header.session)) return [];
      if (state.isForgotten(session.id)) throw goneMeanwhile(image);
      checkMayChange(state, image, clock.now());
      return [{ kind: DecisionKind.forget, subject: image.header.session, until: 0, note: '' }];
    });
  return repository.image(session.id);
}

/** Where somebody forgot the new image at once, the old one is all that is left. */
function goneMeanwhile(image: Image): EverfullError {
  return new EverfullError(
    'image-missing',
    `Could not put another image in the place of ${shortId(image.id)}: it was forgotten as soon as it was made`,
    { advice: 'The image is as it was. Run the command again.' },
  );
}

/** Throws 'retention' where an image is held or locked: another in its place would not be. */
function checkMayChange(state: RetentionState, image: Image, now: number): void {
  const [reason] = heldBy(image, state, now);
  if (reason === undefined) return;
  throw new EverfullError('retention', `Could not change image ${shortId(image.id)}: ${reason}`, {
    advice: 'What is held or locked stays as it is. See: everfull hold --help',
  });
}
