import { type ByteString, bufferOf } from '../base/mod.ts';
import { ALL_DATASETS, type Decision, DecisionKind, type RetentionRecord } from '../format/mod.ts';

/** What keeps an image, or all images of a dataset or of the repository, from being forgotten. */
export interface Hold {
  /** Ms since 1970; 0: without an end. */
  readonly until: number;
  /** Why, in words of who decided it. */
  readonly note: ByteString;
}

/**
 * What is in force of the decisions on images. Whoever joins it with a listing of sessions must have read it
 * first: a forget is dropped from the log once no object of its session is left.
 */
export interface RetentionState {
  /** The number of the next record of the log. */
  readonly next: number;
  isForgotten(session: Uint8Array): boolean;
  /** The longest hold on the image of a session that is in force at `now`. */
  hold(session: Uint8Array, now: number): Hold | undefined;
  /** Until when no image of a dataset may be forgotten, by the locks of it and of the repository; 0: none is in force at `now`. */
  lock(dataset: Uint8Array, now: number): number;
  /** All holds in force at `now`, with their sessions. */
  holds(now: number): [session: Buffer, hold: Hold][];
  /** All locks in force at `now`, with their datasets; that of all datasets is `ALL_DATASETS`. */
  locks(now: number): [dataset: Buffer, lock: Hold][];
}

/** The decisions of the records of the log, one after another. */
export class Retention implements RetentionState {
  next = 0;
  readonly #forgotten = new Set<string>();
  readonly #holds = new Map<string, Hold>();
  readonly #locks = new Map<string, Hold>();

  /** @param records from the newest snapshot, or from the first on, without a gap */
  constructor(records: readonly RetentionRecord[]) {
    for (const { number, decisions } of records) {
      for (const decision of decisions) this.#apply(decision);
      this.next = number + 1;
    }
  }

  #apply({ kind, subject, until, note }: Decision): void {
    const name = keyOf(subject);
    if (kind === DecisionKind.forget) this.#forgotten.add(name);
    if (kind === DecisionKind.forget || kind === DecisionKind.release) this.#holds.delete(name);
    if (kind === DecisionKind.hold && !this.#forgotten.has(name))
      this.#holds.set(name, longer({ until, note }, this.#holds.get(name)));
    if (kind === DecisionKind.lock) this.#locks.set(name, longer({ until, note }, this.#locks.get(name)));
  }

  isForgotten(session: Uint8Array): boolean {
    return this.#forgotten.has(keyOf(session));
  }

  hold(session: Uint8Array, now: number): Hold | undefined {
    const hold = this.#holds.get(keyOf(session));
    return hold !== undefined && isInForce(hold, now) ? hold : undefined;
  }

  lock(dataset: Uint8Array, now: number): number {
    const untils = [dataset, ALL_DATASETS].map((each) => this.#locks.get(keyOf(each))?.until ?? 0);
    const until = Math.max(...untils);
    return until > now ? until : 0;
  }

  holds(now: number): [Buffer, Hold][] {
    return inForce(this.#holds, now);
  }

  locks(now: number): [Buffer, Hold][] {
    return inForce(this.#locks, now);
  }

  /**
   * Decisions that say the same as all those taken in, whatever a clock says of their ends: one that is wrong
   * must not end a lock for all.
   *
   * @param mayBeNamed whether objects of a session may still be there; a forget of another need not be known
   */
  restated(mayBeNamed: (session: Uint8Array) => boolean): Decision[] {
    const forgets = [...this.#forgotten]
      .map(subjectOf)
      .filter((session) => mayBeNamed(session))
      .map((subject) => ({ kind: DecisionKind.forget, subject, until: 0, note: '' }));
    return [
      ...forgets,
      ...[...this.#holds].map(([name, hold]) => ({
        kind: DecisionKind.hold,
        subject: subjectOf(name),
        ...hold,
      })),
      ...[...this.#locks].map(([name, lock]) => ({
        kind: DecisionKind.lock,
        subject: subjectOf(name),
        ...lock,
      })),
    ];
  }
}

function keyOf(subject: Uint8Array): string {
  return bufferOf(subject).toString('latin1');
}

function subjectOf(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

function isInForce({ until }: Hold, now: number): boolean {
  return until === 0 || until > now;
}

function inForce(holds: ReadonlyMap<string, Hold>, now: number): [Buffer, Hold][] {
  return [...holds].filter(([, hold]) => isInForce(hold, now)).map(([name, hold]) => [subjectOf(name), hold]);
}

/** Of two that end at the same time the first, whose note is the newer one. */
function longer(hold: Hold, before: Hold | undefined): Hold {
  if (before === undefined || hold.until === 0 || before.until === hold.until) return hold;
  return before.until === 0 || before.until > hold.until ? before : hold;
}
