import { randomBytes } from 'node:crypto';
import { type Clock, EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  CONDEMNED_MAX,
  condemnedRecord,
  configRecord,
  FrameKind,
  RECORD_BYTES_MAX,
  RUN_ID_BYTES,
} from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { ChunkIndex, encodeSegment } from './chunk-index.ts';
import { type Choice, choosePlaces, type PackUse } from './collect-choose.ts';
import { Marker } from './collect-mark.ts';
import { type KnownRoots, type Roots, readRoots } from './collect-roots.ts';
import { waitForSessions } from './collect-wait.ts';
import { listPacks, packsOf, readCondemned } from './condemned.ts';
import { readDamaged, readDamageLists } from './damaged.ts';
import { makeDurable } from './durable.ts';
import {
  CONFIG,
  condemnedName,
  INDEX_PREFIX,
  packName,
  segmentName,
  sessionBeatName,
  sessionEndName,
  sessionOpenName,
  sessionReadName,
} from './names.ts';
import { soundFrames } from './pack-reader.ts';
import { PackWriter } from './pack-writer.ts';

export interface CollectOptions {
  readonly clock: Clock;
  /** Aborted: the run stops soon, and leaves everything whole. */
  readonly signal: AbortSignal;
  /** A session whose heartbeat does not move for so long is ended; 5 minutes if not given. */
  readonly sessionTimeoutMs?: number | undefined;
  /** How many bytes of waste may stay in packs that hold what is in use, given the bytes in use. */
  maxUnused(liveBytes: number): number;
  /** Most bytes that are written anew. */
  readonly maxRepackBytes: number;
  /** Changes nothing. */
  readonly dryRun: boolean;
  /** Told of each stage, with what is done of it. */
  progress(stage: CollectStage, done: number, total: number): void;
}

export type CollectStage = 'mark' | 'copy' | 'wait' | 'delete';

export interface CollectSummary {
  /** Of all packs at the start, and what of them was in use. */
  packs: number;
  bytes: number;
  liveFrames: number;
  liveBytes: number;
  /** Chunks that images use and no pack has: `check` names them. */
  lostChunks: number;
  packsCopied: number;
  bytesCopied: number;
  packsDeleted: number;
  bytesDeleted: number;
  /** Packs that turned out to be needed after they had been condemned. */
  packsSpared: number;
  sessionsExpired: number;
  sessionsRemoved: number;
  /** What is left that no image uses. */
  unusedBytes: number;
}

const SESSION_TIMEOUT_MS = 5 * 60 * 1000;

/**
 * Deletes what no image uses, and copies what is used out of packs that are mostly waste, while others
 * write and read. Needs no key. Killed at any moment it leaves everything whole; the next run goes on.
 *
 * The protocol, with the reason of each order, is docs/decisions/0024-collection.md. Rejects with
 * 'damaged', 'object-missing' or 'forged', and has deleted nothing then, where it cannot tell what is in use.
 */
export async function collect(store: ObjectStore, options: CollectOptions): Promise<CollectSummary> {
  return new Run(store, options).run();
}

class Run {
  readonly #store: ObjectStore;
  readonly #options: CollectOptions;
  readonly #index: ChunkIndex;
  #marker: Marker;
  readonly #known: KnownRoots = new Map();
  readonly #summary: CollectSummary = {
    packs: 0,
    bytes: 0,
    liveFrames: 0,
    liveBytes: 0,
    lostChunks: 0,
    packsCopied: 0,
    bytesCopied: 0,
    packsDeleted: 0,
    bytesDeleted: 0,
    packsSpared: 0,
    sessionsExpired: 0,
    sessionsRemoved: 0,
    unusedBytes: 0,
  };

  constructor(store: ObjectStore, options: CollectOptions) {
    this.#store = store;
    this.#options = options;
    this.#index = new ChunkIndex(store);
    this.#marker = new Marker(store, this.#index, options.signal);
  }

  async run(): Promise<CollectSummary> {
    const { dryRun } = this.#options;
    // Else those who died while they kept a forgotten image would keep it for ever.
    if (!dryRun) await this.#wait('keepers');
    const roots = await this.#mark({ durable: false });
    const choice = await this.#choose();
    const condemned = condemnedOf(choice);
    this.#report(choice, condemned);
    if (dryRun) return this.#summary;
    await this.#nameUnnamed(choice, condemned);
    if (condemned.length > 0 || roots.dead.length > 0) await this.#collect(choice, condemned, roots.dead);
    await this.#dropSegments();
    await this.#dropLists();
    return this.#summary;
  }

  async #collect(choice: Choice, chosen: readonly PackUse[], wereDead: readonly string[]): Promise<void> {
    const store = this.#store;
    let condemned = chosen;
    try {
      await this.#copy(choice);
    } catch (error) {
      // What is waste altogether can go without a copy, and makes room for the next run.
      condemned = chosen.filter(({ live }) => live.length === 0);
      if (!isEverfullError(error, 'disk-full') || condemned.length === 0) throw error;
      this.#summary.packsCopied = 0;
      this.#summary.bytesCopied = 0;
    }
    const run = randomBytes(RUN_ID_BYTES);
    const list = condemnedName(run);
    // Also where nothing is condemned: records go by the same rules.
    await store.putIfAbsent(list, [
      condemnedRecord.encode(
        {
          run,
          published: this.#options.clock.now(),
          packs: condemned.map(({ number }) => this.#index.packs[number].name),
        },
        digest,
      ),
    ]);
    try {
      await this.#wait('running');
    } catch (error) {
      // Nothing was deleted: the list alone holds nobody up.
      if (this.#options.signal.aborted) await store.delete(list);
      throw error;
    }
    const { dead } = await this.#mark({ durable: true });
    const doomed = await this.#spare(condemned);
    const were = new Set(wereDead);
    await this.#makeEndsDurable(dead.filter((session) => !were.has(session)));
    await this.#delete(
      doomed,
      dead.filter((session) => were.has(session)),
    );
    await store.delete(list);
  }

  /**
   * What was taken for ended must have ended for good, whoever put that: a power cut must not leave a session
   * that can commit although its packs are gone. Of those that ended before the first mark `.open` goes.
   */
  async #makeEndsDurable(sessions: readonly string[]): Promise<void> {
    for (const session of sessions)
      await makeDurable(this.#store, sessionEndName(Buffer.from(session, 'hex')));
  }

  /**
   * Marks what is live now, on top of what was marked before. Where something vanishes on the way, another run
   * may have collected an image that was forgotten meanwhile: then it is begun anew, from what there is by then.
   */
  async #mark(options: { readonly durable: boolean }): Promise<Roots> {
    for (let attempt = 1; ; attempt++) {
      const roots = await readRoots(this.#store, this.#known, options);
      try {
        // After the roots: what they name was stored before they were put.
        await this.#index.recover();
        await this.#markFrom(roots);
        return roots;
      } catch (error) {
        if (attempt === MARK_TRIES || !isEverfullError(error, 'object-missing')) throw error;
        this.#marker = new Marker(this.#store, this.#index, this.#options.signal);
      }
    }
  }

  async #markFrom({ images, pinned, orphans }: Roots): Promise<void> {
    this.#options.progress('mark', 0, images.size);
    await this.#marker.mark(images.values());
    // A base that was collected before its writer came to look for it fails that writer, not this run. One whose
    // writer has looked is whole; what it makes of it is an image by the second mark.
    await this.#marker.mark([...pinned, ...orphans], { isTolerant: true });
    this.#options.progress('mark', images.size, images.size);
    this.#options.signal.throwIfAborted();
  }

  /** The packs that the first mark saw, and what is to be done with each. */
  async #choose(): Promise<Choice> {
    const lists = await readCondemned(this.#store);
    const damaged = await readDamaged(this.#store);
    const there = await listPacks(this.#store);
    return choosePlaces(this.#index, this.#marker, {
      there,
      condemned: packsOf(lists),
      damaged,
      maxUnused: this.#options.maxUnused,
      maxRepackBytes: this.#options.maxRepackBytes,
    });
  }

  #report({ uses, copied, lost }: Choice, condemned: readonly PackUse[]): void {
    const summary = this.#summary;
    summary.packs = uses.length;
    summary.bytes = sum(uses, ({ bytes }) => bytes);
    summary.liveFrames = this.#marker.live.count;
    summary.liveBytes = sum(uses, ({ liveBytes }) => liveBytes);
    summary.lostChunks = this.#marker.lost.size + lost;
    summary.packsCopied = copied.length;
    summary.bytesCopied = sum(copied, ({ liveBytes }) => liveBytes);
    summary.packsDeleted = condemned.length;
    summary.bytesDeleted = sum(condemned, ({ bytes }) => bytes);
    summary.unusedBytes = summary.bytes - summary.bytesDeleted + summary.bytesCopied - summary.liveBytes;
  }

  /** Copies live frames to new packs, which are there, with their segments, before any old one is condemned. */
  async #copy({ copied, stranded }: Choice): Promise<void> {
    if (copied.length === 0 && stranded.length === 0) return;
    const { secretsId } = configRecord.decode(
      await this.#store.get(CONFIG, { limit: RECORD_BYTES_MAX }),
      digest,
    );
    const writer = () =>
      new PackWriter(
        this.#store,
        secretsId,
        async () => {},
        (pack, rows) => this.#index.addPack(pack, rows),
      );
    const chunks = writer();
    const nodes = writer();
    const rowsOf = new Map<number, number[]>();
    for (const row of [...copied.flatMap(({ live }) => live), ...stranded]) {
      const pack = this.#index.packOf(row);
      rowsOf.set(pack, [...(rowsOf.get(pack) ?? []), row]);
    }
    const total = sum(copied, ({ liveBytes }) => liveBytes);
    let done = 0;
    for (const [number, rows] of rowsOf) {
      const wanted = rows.map((row) => this.#index.place(row));
      try {
        for await (const frame of soundFrames(this.#store, this.#index.packs[number], wanted)) {
          this.#options.signal.throwIfAborted();
          // A copy of what is not sound would be worse than none: the pack stays then.
          if ('error' in frame) throw unsoundCopy(frame.error);
          const { row, bytes } = frame;
          const to = row.kind === FrameKind.chunk ? chunks : nodes;
          to.add(bytes, { id: row.id, kind: row.kind, digest: row.digest });
          done += bytes.length;
          this.#options.progress('copy', done, total);
          await to.room();
        }
      } catch (error) {
        // Another run deleted the pack, since it has what is live in it elsewhere. The second mark looks.
        if (!isEverfullError(error, 'object-missing')) throw error;
      }
    }
    await chunks.flush();
    await nodes.flush();
  }

  /** Until the sessions that are there now have ended, or are known to live where that is enough. */
  async #wait(which: 'running' | 'keepers'): Promise<void> {
    const { clock, signal, sessionTimeoutMs = SESSION_TIMEOUT_MS, progress } = this.#options;
    const sessions = (await readRoots(this.#store, this.#known, { durable: false }))[which];
    this.#summary.sessionsExpired += await waitForSessions(this.#store, sessions, {
      clock,
      signal,
      sessionTimeoutMs,
      waiting: (count) => progress('wait', sessions.length - count, sessions.length),
    });
  }

  /** Of the condemned packs those that nothing live needs, by what is there and condemned now. */
  async #spare(condemned: readonly PackUse[]): Promise<PackUse[]> {
    // The lists before the places: of two runs that each keep what the other condemned, the later one sees
    // the other's list, or that the pack is gone.
    const lists = packsOf(await readCondemned(this.#store));
    const damaged = await readDamaged(this.#store);
    const there = await listPacks(this.#store);
    const { packs } = this.#index;
    const isThere = packs.map(({ name }) => there.has(hexOf(name)));
    const isKept = packs.map(({ name }, number) => isThere[number] && !lists.has(hexOf(name)));
    const spared = new Set<number>();
    for (let first = 0; first < this.#index.frames; first++) {
      if (!this.#marker.has(first)) continue;
      let isSafe = false;
      const rows: number[] = [];
      for (let row = first; row >= 0 && !isSafe; row = this.#index.nextRow(row)) {
        const number = this.#index.packOf(row);
        rows.push(number);
        if (!isKept[number]) continue;
        const { id, pack } = this.#index.place(row);
        isSafe = damaged.size === 0 || !damaged.has(id, pack);
      }
      if (!isSafe) for (const number of rows) spared.add(number);
    }
    const doomed = condemned.filter(({ number }) => !spared.has(number));
    this.#summary.packsSpared = condemned.length - doomed.length;
    this.#summary.packsDeleted = doomed.length;
    this.#summary.bytesDeleted = sum(doomed, ({ bytes }) => bytes);
    return doomed;
  }

  async #delete(doomed: readonly PackUse[], sessions: readonly string[]): Promise<void> {
    const { progress, signal } = this.#options;
    const store = this.#store;
    const ids = sessions.map((session) => Buffer.from(session, 'hex'));
    // Durably, before any pack: so a commit that comes late makes no image.
    await store.deleteDurably(ids.flatMap((id) => [sessionOpenName(id), sessionReadName(id)]));
    const names = doomed.map(({ number }) => this.#index.packs[number].name);
    for (let at = 0; at < names.length; at += DELETED_AT_ONCE) {
      signal.throwIfAborted();
      const some = names.slice(at, at + DELETED_AT_ONCE);
      // Segments first: what they name is there then.
      await store.deleteDurably(some.map(segmentName));
      await store.deleteDurably(some.map(packName));
      progress('delete', at + some.length, names.length);
    }
    await store.deleteDurably(ids.flatMap((id) => [sessionBeatName(id), sessionEndName(id)]));
    this.#summary.sessionsRemoved = ids.length;
  }

  /**
   * A run that died between a pack and its segment left a pack that is found by its table alone. What is in
   * use must not hang on that.
   */
  async #nameUnnamed({ uses }: Choice, condemned: readonly PackUse[]): Promise<void> {
    const doomed = new Set(condemned);
    const stay = new Set(uses.filter((use) => !use.isCondemned && !doomed.has(use)).map(({ name }) => name));
    for (const { pack, rows } of this.#index.unnamed) {
      if (!stay.has(hexOf(pack.name))) continue;
      try {
        await this.#store.putIfAbsent(segmentName(pack.name), [encodeSegment(pack, rows)]);
      } catch (error) {
        // Its writer came to it after all, or it is damaged, which `repair index` sees to.
        if (!isEverfullError(error, 'object-exists')) throw error;
      }
    }
  }

  /**
   * A writer that was suspended between a pack and its segment may have put the segment after the pack was
   * collected. One that names what images lack stays: it is all that is known of it.
   */
  async #dropSegments(): Promise<void> {
    const segments = new Set<string>();
    for await (const { name } of this.#store.list(INDEX_PREFIX)) segments.add(name);
    const there = await listPacks(this.#store);
    const { packs } = this.#index;
    const gone = packs.map(({ name }) => !there.has(hexOf(name)) && segments.has(segmentName(name)));
    if (!gone.includes(true)) return;
    for (let row = 0; row < this.#index.frames; row++) {
      const number = this.#index.packOf(row);
      if (gone[number] && this.#isLost(this.#index.place(row).id)) gone[number] = false;
    }
    const names = packs.filter((_, number) => gone[number]).map(({ name }) => segmentName(name));
    await this.#store.deleteDurably(names);
  }

  /** Lists of runs that died, and records of damage, go when all that they name is gone for good. */
  async #dropLists(): Promise<void> {
    const damage = (await readDamageLists(this.#store)).filter(
      // As long as images lack a frame nobody may take over what is above it unopened.
      ({ frames }) => !frames.some(({ id }) => this.#isLost(id)),
    );
    const lists = [...(await readCondemned(this.#store)), ...damage];
    if (lists.length === 0) return;
    const there = await listPacks(this.#store);
    for (const { name, packs } of lists) {
      if (packs.some((pack) => there.has(hexOf(pack)))) continue;
      await this.#store.deleteDurably(packs.map(packName));
      await this.#store.delete(name);
    }
  }

  /** Whether images use a frame that no pack has. */
  #isLost(id: Uint8Array): boolean {
    const row = this.#index.firstRow(id);
    if (row < 0) return this.#marker.lost.has(hexOf(id));
    return this.#marker.has(row) && this.#index.find(id) === undefined;
  }
}

/** How often a mark is begun anew. */
const MARK_TRIES = 5;

/** How many objects are deleted before the next look at whether to go on. */
const DELETED_AT_ONCE = 256;

/** Packs without a frame whose place counts: the copies are elsewhere by the time that they are condemned. */
function condemnedOf({ uses, copied }: Choice): PackUse[] {
  const moved = new Set(copied);
  return uses
    .filter((use) => !use.isLastHope && (use.live.length === 0 || moved.has(use)))
    .slice(0, CONDEMNED_MAX);
}

function unsoundCopy(cause: EverfullError): EverfullError {
  return new EverfullError('damaged', `Could not copy what is in use to a new pack: ${cause.message}`, {
    cause,
    advice: 'Run: everfull verify. It records what is damaged, and the next backup heals what it can.',
  });
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
