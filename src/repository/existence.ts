import { EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { RECORD_BYTES_MAX, SESSION_COMMITTED, sessionEndRecord } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { manifestName, sessionEndName, sessionOpenName } from './names.ts';
import { exists } from './opening.ts';
import { readRetention } from './retention-log.ts';

/**
 * Whether the image of a session existed at a moment after this was called: the session was opened and
 * committed, its manifest is there, each by a definite answer of the store, and nobody had forgot it.
 */
export async function imageExists(store: ObjectStore, session: Uint8Array): Promise<boolean> {
  // First: the log says nothing any more of an image whose objects are gone.
  const retention = await readRetention(store);
  if (retention.isForgotten(session) || !(await exists(store, sessionOpenName(session)))) return false;
  try {
    const end = sessionEndRecord.decode(
      await store.get(sessionEndName(session), { limit: RECORD_BYTES_MAX }),
      digest,
    );
    return end.state === SESSION_COMMITTED && (await exists(store, manifestName(end.dataset, end.sequence)));
  } catch (error) {
    if (isEverfullError(error, 'object-missing')) return false;
    throw error;
  }
}

/** Rejects with 'image-missing' unless the image of a session exists. */
export async function checkImageExists(store: ObjectStore, session: Uint8Array): Promise<void> {
  if (await imageExists(store, session)) return;
  throw new EverfullError(
    'image-missing',
    `Could not use the image of session ${hexOf(session)}: it was forgotten meanwhile`,
    { advice: 'See what there is with: everfull images' },
  );
}
