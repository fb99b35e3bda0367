import type { Clock } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { sessionBeatRecord } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { sessionBeatName } from './names.ts';

/** A session whose heartbeat does not move for long counts as dead to a collector. */
const HEARTBEAT_MS = 30_000;

/**
 * Shows that a session lives until the result is called, which removes the heartbeat. A beat that fails
 * is followed by the next; one that never comes makes the session expire, which its end record shows.
 */
export function startBeat(store: ObjectStore, session: Uint8Array, clock: Clock): () => Promise<void> {
  const name = sessionBeatName(session);
  let beat = 0;
  let last: Promise<void> = Promise.resolve();
  const stop = clock.every(HEARTBEAT_MS, () => {
    const bytes = sessionBeatRecord.encode({ session, beat: ++beat }, digest);
    last = store.replace(name, [bytes]).catch(() => {});
  });
  return async () => {
    stop();
    // One that is under way must not come after its removal.
    await last;
    // A store that deletes nothing keeps no session from ending.
    if (beat > 0) await store.delete(name).catch(() => {});
  };
}
