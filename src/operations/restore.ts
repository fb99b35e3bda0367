import { type RestoreOptions, type RestoreSummary, restoreImage } from '../restore/mod.ts';
import type { OperationContext } from './context.ts';
import { pinned } from './pinned.ts';

export type { ItemAction, OverwritePolicy, RestoreOptions, RestoreSummary } from '../restore/mod.ts';
export { OVERWRITE_POLICIES } from '../restore/mod.ts';

/**
 * Restores an image, or a part of it. What cannot be restored is given to `context.problem`; the
 * summary's `filesFailed`, `metadataProblems` and `filesDiffering` say whether all went well.
 * Rejects as {@link restoreImage} does, and with 'image-missing' where the image was forgotten.
 */
export async function restore(context: OperationContext, options: RestoreOptions): Promise<RestoreSummary> {
  await using pin = await pinned(context, options.image);
  const summary = await restoreImage(context, options);
  await pin.check();
  return summary;
}
