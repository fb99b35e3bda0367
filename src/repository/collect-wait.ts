import { type Clock, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { ID_BYTES, SESSION_EXPIRED, sessionEndRecord } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { sessionBeatName, sessionEndName } from './names.ts';
import { exists } from './opening.ts';

/** A session that is waited for. */
export interface Awaited {
  readonly session: Uint8Array;
  readonly dataset: Uint8Array;
  /** Its `.open` or `.read`: without it the session is nothing any more. */
  readonly object: string;
  /** Else it is enough that it lives. */
  readonly mustEnd: boolean;
}

export interface WaitOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A session whose heartbeat does not move for so long is ended. */
  readonly sessionTimeoutMs: number;
  /** Told how many are waited for. */
  waiting?(count: number): void;
}

const LOOK_MS_MIN = 250;
const LOOK_MS_MAX = 10_000;

interface Watched extends Awaited {
  /** The heartbeat as it was last seen; empty where there is none. */
  beat: string;
  idleMs: number;
}

/**
 * Resolves when each of `sessions` has ended, or is known to live where that is enough. Those whose heartbeat stands still are ended: by the same put that would commit them, so that one
 * that wakes up learns of it. How many were ended.
 *
 * Only this process's monotonic clock counts, and of it no more than was slept: a machine that was
 * suspended itself has not watched.
 */
export async function waitForSessions(
  store: ObjectStore,
  sessions: readonly Awaited[],
  options: WaitOptions,
): Promise<number> {
  const { clock, signal, sessionTimeoutMs } = options;
  let pending: Watched[] = sessions.map((session) => ({ ...session, beat: '', idleMs: -1 }));
  let expired = 0;
  for (let pause = LOOK_MS_MIN; ; pause = Math.min(pause * 2, LOOK_MS_MAX, sessionTimeoutMs / 4)) {
    const left: Watched[] = [];
    for (const session of pending) {
      if (await exists(store, sessionEndName(session.session))) continue;
      if (!(await exists(store, session.object))) continue;
      const beat = await beatOf(store, session.session);
      const isFirst = session.idleMs < 0;
      const moved = !isFirst && beat !== session.beat;
      if (moved && !session.mustEnd) continue;
      if (isFirst || moved) session.idleMs = 0;
      session.beat = beat;
      if (session.idleMs >= sessionTimeoutMs) {
        if (await expire(store, session, clock)) expired++;
      } else left.push(session);
    }
    pending = left;
    if (pending.length === 0) return expired;
    options.waiting?.(pending.length);
    const before = clock.monotonic();
    await clock.sleep(pause, signal);
    const slept = Math.min(pause, clock.monotonic() - before);
    for (const session of pending) session.idleMs += slept;
  }
}

/** The bytes of a heartbeat; empty where there is none. */
async function beatOf(store: ObjectStore, session: Uint8Array): Promise<string> {
  try {
    return hexOf(await store.get(sessionBeatName(session), { limit: 1024 }));
  } catch (error) {
    if (isEverfullError(error, 'object-missing')) return '';
    throw error;
  }
}

/** Whether this ended the session: it may have ended by itself at the last moment. */
async function expire(store: ObjectStore, { session, dataset }: Awaited, clock: Clock): Promise<boolean> {
  const image = Buffer.alloc(ID_BYTES);
  const end = { session, state: SESSION_EXPIRED, ended: clock.now(), dataset, sequence: 0, image };
  try {
    await store.putIfAbsent(sessionEndName(session), [sessionEndRecord.encode(end, digest)]);
    return true;
  } catch (error) {
    if (isEverfullError(error, 'object-exists')) return false;
    throw error;
  }
}
