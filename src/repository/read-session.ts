import { randomBytes } from 'node:crypto';
import { type Clock, EverfullError, hexOf } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { SESSION_ID_BYTES, sessionReadRecord } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { checkImageExists } from './existence.ts';
import { startBeat } from './heartbeat.ts';
import { sessionEndName, sessionReadName } from './names.ts';
import { exists } from './opening.ts';
import type { Manifest } from './session-host.ts';

/** Someone reads an image: until this is closed, or its heartbeat stops, all of the image stays. */
export class ReadSession implements AsyncDisposable {
  readonly id: Buffer;
  readonly #store: ObjectStore;
  readonly #stopBeat: () => Promise<void>;

  private constructor(store: ObjectStore, id: Buffer, stopBeat: () => Promise<void>) {
    this.#store = store;
    this.id = id;
    this.#stopBeat = stopBeat;
  }

  /** Rejects with 'image-missing' where the image was forgotten. */
  static async open(store: ObjectStore, { header }: Manifest, clock: Clock): Promise<ReadSession> {
    const id = randomBytes(SESSION_ID_BYTES);
    const bytes = sessionReadRecord.encode(
      { session: id, opened: clock.now(), image: header.session, root: header.indexRoot },
      digest,
    );
    await store.putIfAbsent(sessionReadName(id), [bytes]);
    const session = new ReadSession(store, id, startBeat(store, id, clock));
    try {
      // Not before the session is there for all to see: else the image could go in between.
      await checkImageExists(store, header.session);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** Rejects with 'session-expired' if a collector ended the session: then what it read may be gone. */
  async check(): Promise<void> {
    const hasEnded = await exists(this.#store, sessionEndName(this.id));
    // A collector removes both in the end, this one first.
    if (!hasEnded && (await exists(this.#store, sessionReadName(this.id)))) return;
    throw new EverfullError(
      'session-expired',
      `Could not go on reading in session ${hexOf(this.id)}: it was ended by a collector, since its heartbeat had stopped`,
      { advice: 'Run the command again.' },
    );
  }

  /** What cannot be removed a collector removes when the heartbeat has stopped for long. */
  async close(): Promise<void> {
    await this.#stopBeat();
    await this.#store.delete(sessionReadName(this.id)).catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
