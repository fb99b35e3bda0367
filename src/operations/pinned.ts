import { isEverfullError } from '../base/mod.ts';
import type { Manifest, ReadSession } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';

/** An image that stays while it is read. */
export interface Pinned extends AsyncDisposable {
  /** Rejects with 'session-expired' where a collector took the reader for dead: what it read may be gone. */
  check(): Promise<void>;
}

/**
 * Keeps an image from collection until it is disposed of. A repository that may only be read has no place
 * for that, which is told. Rejects with 'image-missing' where the image was forgotten.
 *
 * @param options.afterMs begins so late: what ends before costs no write
 */
export async function pinned(
  context: OperationContext,
  image: Manifest,
  options: { readonly afterMs?: number } = {},
): Promise<Pinned> {
  const { repository, clock } = context;
  const { afterMs = 0 } = options;
  const done = new AbortController();
  const pin = async (): Promise<ReadSession | undefined> => {
    try {
      return await repository.pin(image, clock);
    } catch (error) {
      if (!isEverfullError(error, 'io', 'disk-full', 'damaged')) throw error;
      context.notice(`The image cannot be kept from a prune while it is read: ${error.message}`);
      return undefined;
    }
  };
  // Whoever is done before the time is up needs no pin; one that comes too late finds that its image is gone.
  const pinning =
    afterMs === 0
      ? Promise.resolve(await pin())
      : clock
          .sleep(afterMs, done.signal)
          .then(pin)
          .catch(() => undefined);
  return {
    check: async () => (await pinning)?.check(),
    async [Symbol.asyncDispose]() {
      done.abort();
      await (await pinning)?.close();
    },
  };
}
