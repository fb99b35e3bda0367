import { type Clock, EverfullError, isEverfullError } from '../../base/mod.ts';
import { digest } from '../../crypto/mod.ts';
import { type Decision, DecisionKind, type RetentionRecord, retentionRecord } from '../../format/mod.ts';
import type { ListedObject, ObjectStore } from '../../store/mod.ts';
import { RETENTION_PREFIX, sessionEndName, sessionOpenName } from '../names.ts';
import type { RetentionState } from '../retention.ts';
import type { decideRetention, readRetention } from '../retention-log.ts';

/** The log as it is, or a mutant of it. */
export interface LogUnderTest {
  readonly readRetention: typeof readRetention;
  readonly decideRetention: typeof decideRetention;
}

const IMAGES = 3;
const ACTORS_MIN = 4;
const ACTORS_MAX = 7;
/** Of each actor. */
const STEPS = 4;
/** Into so many parts a listing falls; between them others run. */
const LISTING_PARTS = 4;
/** How much less often a slow actor goes on than a fast one. */
const SLOWNESS = [1, 1, 1, 10, 50];
const FAULT_SHARE = 0.02;
const POWER_CUT_SHARE = 0.01;

class Violation extends Error {}

/**
 * Runs actors that hold, release, forget, lock, read and collect on one store, in an order that the seed
 * decides at every call and every part of a listing. Puts fail before or after their effect, deletes are
 * undone as by a power cut. What came into force, in order, is known from the puts themselves.
 *
 * @returns what was violated, if anything
 */
export async function runRetentionWorld(log: LogUnderTest, seed: number): Promise<string | undefined> {
  const world = new RetentionWorld(log, seed);
  try {
    await world.run();
    return undefined;
  } catch (error) {
    return error instanceof Violation ? error.message : String((error as Error).stack);
  }
}

interface Turn {
  readonly actor: number;
  readonly go: () => void;
}

/** What is in force, by the decisions in the order of their numbers. */
interface Force {
  readonly forgotten: ReadonlySet<number>;
  /** By image, since which record. */
  readonly held: ReadonlyMap<number, number>;
  readonly lock: number;
}

class RetentionWorld {
  readonly #log: LogUnderTest;
  readonly #random: () => number;
  readonly #objects = new Map<string, Uint8Array>();
  readonly #deleted: [name: string, bytes: Uint8Array][] = [];
  /** The records that are part of the log, by number. */
  readonly #records: RetentionRecord[] = [];
  readonly #forgotten = new Set<number>();
  readonly #held = new Map<number, number>();
  #lock = 0;
  #turns: Turn[] = [];
  #slowness: number[] = [];
  readonly #snapshotAfter: number;
  #failure: unknown;
  #isQuiet = false;
  #time = 1;
  readonly #clock: Clock = {
    now: () => this.#time++,
    monotonic: () => this.#time,
    sleep: async () => {},
    every: () => () => {},
  };

  constructor(log: LogUnderTest, seed: number) {
    this.#log = log;
    this.#random = randomOf(seed);
    this.#snapshotAfter = 1 + this.#below(3);
    for (let image = 0; image < IMAGES; image++) {
      this.#objects.set(sessionOpenName(sessionOf(image)), Buffer.alloc(1));
      this.#objects.set(sessionEndName(sessionOf(image)), Buffer.alloc(1));
    }
  }

  async run(): Promise<void> {
    const count = ACTORS_MIN + this.#below(ACTORS_MAX - ACTORS_MIN + 1);
    this.#slowness = Array.from({ length: count }, () => SLOWNESS[this.#below(SLOWNESS.length)]!);
    let running = count;
    for (let actor = 0; actor < count; actor++) {
      this.#act(actor)
        .catch((error: unknown) => (this.#failure ??= error))
        .finally(() => running--);
    }
    while (running > 0 && this.#failure === undefined) {
      await settled();
      if (this.#turns.length > 0) this.#pick().go();
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#isQuiet = true;
    await this.#read(0);
  }

  /** One of those who wait, slow ones rarely. */
  #pick(): Turn {
    const weightOf = ({ actor }: Turn) => 1 / this.#slowness[actor]!;
    let left = this.#random() * this.#turns.reduce((sum, turn) => sum + weightOf(turn), 0);
    let at = 0;
    for (; at < this.#turns.length - 1; at++) {
      left -= weightOf(this.#turns[at]!);
      if (left <= 0) break;
    }
    return this.#turns.splice(at, 1)[0]!;
  }

  async #act(actor: number): Promise<void> {
    const role = this.#below(8);
    for (let step = 0; step < STEPS; step++) {
      const image = this.#below(IMAGES);
      const decider = DECIDERS[this.#below(DECIDERS.length)]!;
      try {
        if (role === 0) await this.#collect(actor);
        else if (role <= 2) await this.#read(actor);
        else await this.#decide(actor, decider, image, `${actor}.${step}`);
      } catch (error) {
        if (!isEverfullError(error, 'io')) throw error;
      }
    }
  }

  async #decide(actor: number, decider: Decider, image: number, note: string): Promise<void> {
    let decided: readonly Decision[] = [];
    const state = await this.#log.decideRetention(
      this.#storeOf(actor),
      this.#clock,
      async (now) => {
        await this.#turn(actor);
        // A forget may have been dropped with the last object of its session: who decides looks for the image.
        const isThere = this.#seemsThere(image);
        await this.#turn(actor);
        decided = isThere ? decider(now, sessionOf(image)).map((decision) => ({ ...decision, note })) : [];
        return decided;
      },
      { snapshotAfter: this.#snapshotAfter },
    );
    const isInLog = this.#records.some(({ decisions }) =>
      decisions.some((decision) => decision.note === note),
    );
    if (decided.length > 0 && !isInLog) throw new Violation(`${note} was acknowledged and is not in the log`);
    const isForget = decided[0]?.kind === DecisionKind.forget && this.#seemsThere(image);
    if (isForget && !state.isForgotten(sessionOf(image)))
      throw new Violation(`${note} forgot an image, and the state does not say so`);
  }

  async #read(actor: number): Promise<void> {
    const before = this.#force();
    const state = await this.#log.readRetention(this.#storeOf(actor));
    const after = this.#force();
    for (let image = 0; image < IMAGES; image++) {
      const session = sessionOf(image);
      const isForgotten = state.isForgotten(session);
      if (before.forgotten.has(image) && this.#seemsThere(image) && !isForgotten)
        throw new Violation(`image ${image} is forgotten, and a reader does not know`);
      if (isForgotten && !after.forgotten.has(image))
        throw new Violation(`image ${image} is not forgotten, and a reader says so`);
      const isHeld = state.hold(session, this.#time) !== undefined;
      if (before.held.has(image) && before.held.get(image) === after.held.get(image) && !isHeld)
        throw new Violation(`image ${image} is held, and a reader does not know`);
      if (isHeld && !before.held.has(image) && !after.held.has(image) && this.#isQuiet)
        throw new Violation(`image ${image} is not held, and a reader says so`);
    }
    if (state.lock(DATASET, 0) < before.lock) throw new Violation('a lock was shortened');
  }

  /** As a collector removes the records of forgotten images: the first of them durably, then the others. */
  async #collect(actor: number): Promise<void> {
    const store = this.#storeOf(actor);
    const state = await this.#log.readRetention(store, { durable: true });
    for (let image = 0; image < IMAGES; image++) {
      if (!state.isForgotten(sessionOf(image))) continue;
      await store.deleteDurably([sessionOpenName(sessionOf(image))]);
      await store.delete(sessionEndName(sessionOf(image)));
    }
  }

  /** Whether it would be taken for an image, were it not forgotten. */
  #seemsThere(image: number): boolean {
    const names = [sessionOpenName(sessionOf(image)), sessionEndName(sessionOf(image))];
    return names.every((name) => this.#objects.has(name));
  }

  #force(): Force {
    return { forgotten: new Set(this.#forgotten), held: new Map(this.#held), lock: this.#lock };
  }

  /** A record came to be. It is part of the log if it is the next one. */
  #putRecord(bytes: Uint8Array): void {
    const record = retentionRecord.decode(bytes, digest);
    const { number, decisions, isSnapshot } = record;
    if (number > this.#records.length) throw new Violation(`record ${number} leaves a gap behind it`);
    if (number < this.#records.length) {
      const isHole = this.#records.slice(number + 1).some((later) => later.isSnapshot === 1);
      if (!isHole) throw new Violation(`record ${number} was deleted, and no snapshot is above it`);
      return;
    }
    this.#records.push(record);
    if (isSnapshot === 1) return;
    for (const { kind, subject, until, note } of decisions) {
      const image = subject[0]!;
      if (kind === DecisionKind.forget) {
        if (this.#held.has(image)) throw new Violation(`${note} forgets an image that is held`);
        this.#forgotten.add(image);
      } else if (kind === DecisionKind.hold) {
        if (this.#forgotten.has(image)) throw new Violation(`${note} holds an image that is forgotten`);
        if (!this.#held.has(image)) this.#held.set(image, number);
      } else if (kind === DecisionKind.release) this.#held.delete(image);
      else this.#lock = Math.max(this.#lock, until);
    }
  }

  #turn(actor: number): Promise<void> {
    if (this.#isQuiet) return Promise.resolve();
    return new Promise((go) => this.#turns.push({ actor, go }));
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #happens(share: number): boolean {
    return !this.#isQuiet && this.#random() < share;
  }

  #storeOf(actor: number): ObjectStore {
    const failed = () => new EverfullError('io', 'the answer was lost');
    const remove = (name: string, isDurable: boolean) => {
      const bytes = this.#objects.get(name);
      if (bytes !== undefined && !isDurable) this.#deleted.push([name, bytes]);
      this.#objects.delete(name);
    };
    return {
      location: 'the world',
      putIfAbsent: async (name, parts) => {
        await this.#turn(actor);
        if (this.#happens(FAULT_SHARE)) throw failed();
        if (this.#objects.has(name)) throw new EverfullError('object-exists', name);
        const bytes = Buffer.concat(parts);
        if (name.startsWith(RETENTION_PREFIX)) this.#putRecord(bytes);
        this.#objects.set(name, bytes);
        await this.#turn(actor);
        if (this.#happens(FAULT_SHARE)) throw failed();
      },
      get: async (name) => {
        await this.#turn(actor);
        const bytes = this.#objects.get(name);
        if (bytes === undefined) throw new EverfullError('object-missing', name);
        return bytes;
      },
      list: (prefix) => this.#list(actor, prefix),
      delete: async (name) => {
        await this.#turn(actor);
        remove(name, false);
        if (this.#happens(POWER_CUT_SHARE)) this.#undoDeletes();
      },
      deleteDurably: async (names) => {
        for (const name of names) {
          await this.#turn(actor);
          remove(name, true);
        }
      },
      replace: async () => {},
      size: async () => 0,
      close: async () => {},
    };
  }

  /** Part by part, in an order of its own; what is put or deleted meanwhile comes or not. */
  async *#list(actor: number, prefix: string): AsyncGenerator<ListedObject> {
    const salt = this.#below(2 ** 30);
    for (let part = 0; part < LISTING_PARTS; part++) {
      await this.#turn(actor);
      for (const [name, { length: size }] of [...this.#objects])
        if (name.startsWith(prefix) && partOf(name, salt) === part) yield { name, size };
    }
  }

  #undoDeletes(): void {
    for (const [name, bytes] of this.#deleted.splice(0))
      if (this.#random() < 0.5 && !this.#objects.has(name)) this.#objects.set(name, bytes);
  }
}

/** What a decider makes of a state and an image. */
type Decider = (state: RetentionState, session: Buffer) => Decision[];

const DATASET = Buffer.alloc(16, 255);
const plain = (kind: DecisionKind, subject: Buffer, until = 0): Decision => ({
  kind,
  subject,
  until,
  note: '',
});

const DECIDERS: readonly Decider[] = [
  (state, session) => {
    const isDone = state.isForgotten(session) || state.hold(session, 0) !== undefined;
    return isDone ? [] : [plain(DecisionKind.hold, session)];
  },
  (state, session) => {
    const mayNot = state.isForgotten(session) || state.hold(session, 0) !== undefined;
    return mayNot ? [] : [plain(DecisionKind.forget, session)];
  },
  (state, session) => (state.hold(session, 0) === undefined ? [] : [plain(DecisionKind.release, session)]),
  (state) => [plain(DecisionKind.lock, DATASET, state.next + 1)],
];

function sessionOf(image: number): Buffer {
  return Buffer.alloc(16, image);
}

/** Which part of a listing shows a name: any, and another one in each listing. */
function partOf(name: string, salt: number): number {
  let hash = salt;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return ((hash ^ (hash >>> 15)) >>> 0) % LISTING_PARTS;
}

/** All promises that can go on have done so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
