import { isEverfullError } from '../src/base/mod.ts';
import { DecisionKind } from '../src/format/mod.ts';
import {
  collect,
  type Damage,
  decideRetention,
  type Image,
  type Repository,
  verifyPacks,
  type WriteSession,
} from '../src/repository/mod.ts';
import { EMPTY_BODY } from '../src/repository/testing/hand-made.ts';
import { type KnownImage, nameOf, Violation } from './oracle.ts';
import type { SimulatedProcess } from './scheduler.ts';
import { type BuiltTree, buildTree, differenceOf, rollTree } from './trees.ts';
import type { World } from './world.ts';

/** What a program does, from its start to its end. */
export type Actor = (world: World, process: SimulatedProcess) => Promise<void>;

/** Backs up one dataset, once or several times. */
export const backUp: Actor = async (world, process) => {
  const { dice } = world;
  const repository = await world.openRepository(process, 'writer');
  const dataset = repository.secrets.datasetId([`dataset ${dice.below(world.datasets)}`]);
  for (let rounds = dice.between(1, 3); rounds > 0; rounds--) {
    await backUpOnce(world, process, repository, dataset);
    await pause(world, process);
  }
};

async function backUpOnce(
  world: World,
  process: SimulatedProcess,
  repository: Repository,
  dataset: Buffer,
): Promise<void> {
  const { dice, pool, trackLogs } = world;
  const { clock } = process;
  const newest = dice.chance(0.1) ? undefined : await repository.newestImage(dataset, damageIn(world));
  const before = newest && trackLogs.get(sessionOf(newest));
  await pause(world, process);
  const session = await repository
    .openSession(dataset, { compression: 'off', clock, base: before && newest })
    .catch((error: unknown) => {
      // Its base was forgotten: the next run finds another.
      if (isEverfullError(error, 'image-missing')) return undefined;
      throw error;
    });
  if (session === undefined) return;
  const tree = rollTree(dice, pool, before?.tree);
  // Subtrees are not taken over while some are known to be damaged.
  const base = session.damaged.size === 0 ? before : undefined;
  const built = buildTree(session, repository.secrets, pool, tree, base);
  if (dice.chance(0.1)) return session.abort({ keep: dice.chance(0.5) });
  if (dice.chance(0.3)) await session.flush();
  await pause(world, process);
  await commit(world, process, repository, session, built);
}

async function commit(
  { oracle, trackLogs, faults }: World,
  { clock }: SimulatedProcess,
  repository: Repository,
  session: WriteSession,
  built: BuiltTree,
): Promise<void> {
  const image = oracle.tries(session.id, built.tree);
  trackLogs.set(image.session, built);
  try {
    const endpoint = await repository.endpoint('host');
    await session.commit({ endpoint, kind: 0, root: built.root, body: { ...EMPTY_BODY, time: clock.now() } });
    image.state = 'acknowledged';
    faults.count('images committed');
  } catch (error) {
    if (!isEverfullError(error, 'session-expired')) throw error;
    image.state = 'refused';
    faults.count('sessions expired');
  }
}

/** Restores an image while others work. */
export const restore: Actor = async (world, process) => {
  const { clock } = process;
  const repository = await world.openRepository(process, 'reader');
  for (let rounds = world.dice.between(1, 3); rounds > 0; rounds--) {
    const image = await anyImage(world, repository);
    await pause(world, process);
    if (image === undefined) continue;
    const known = world.oracle.listed(image.header.session);
    let pin: Awaited<ReturnType<Repository['pin']>>;
    try {
      pin = await repository.pin(image, clock);
    } catch (error) {
      if (isEverfullError(error, 'image-missing') && known.forget !== 'no') return;
      throw error;
    }
    try {
      const difference = await differenceOf(repository, image, known.tree, world.pool, {
        between: () => pause(world, process, 0.6),
      });
      if (difference !== undefined) throw new Violation(`${nameOf(known)} was restored, but ${difference}`);
      world.faults.count('images restored');
    } catch (error) {
      if (!isEverfullError(error, 'object-missing', 'damaged')) throw error;
      if (error.code === 'damaged' && world.isDamaged) return;
      // Then what is missing was taken from a reader that seemed dead; it is told so.
      await pin.check();
      throw error;
    } finally {
      await pin.close();
    }
  }
};

/** Forgets some images, unless they are held. */
export const forget: Actor = async (world, process) => {
  const { dice, oracle } = world;
  const repository = await world.openRepository(process, 'keeper');
  const images = await repository.images(damageIn(world));
  const chosen = images.filter(() => dice.chance(0.5)).map(({ header }) => header.session);
  await pause(world, process);
  let decided: KnownImage[] = [];
  await decideRetention(
    repository.store,
    process.clock,
    (state) => {
      const now = process.clock.now();
      const legal = chosen.filter((each) => !state.isForgotten(each) && state.hold(each, now) === undefined);
      decided = legal.map((each) => oracle.listed(each));
      for (const image of decided) if (image.forget === 'no') image.forget = 'tried';
      return legal.map((subject) => ({ kind: DecisionKind.forget, subject, until: 0, note: '' }));
    },
    { snapshotAfter: world.snapshotAfter },
  );
  for (const image of decided) oracle.forgotten(image);
  world.faults.count('images forgotten', decided.length);
};

/** Holds an image, or releases one. */
export const hold: Actor = async (world, process) => {
  const { dice, oracle } = world;
  const repository = await world.openRepository(process, 'keeper');
  const image = await anyImage(world, repository);
  if (image === undefined) return;
  const known = oracle.listed(image.header.session);
  const subject = image.header.session;
  const isRelease = dice.chance(0.4);
  if (isRelease && known.hold === 'acknowledged') known.hold = 'perhaps released';
  let isDecided = false;
  await decideRetention(
    repository.store,
    process.clock,
    (state) => {
      isDecided = !state.isForgotten(subject);
      const kind = isRelease ? DecisionKind.release : DecisionKind.hold;
      return isDecided ? [{ kind, subject, until: 0, note: '' }] : [];
    },
    { snapshotAfter: world.snapshotAfter },
  );
  if (isDecided && !isRelease && known.hold === 'no') oracle.held(known);
};

async function anyImage(world: World, repository: Repository): Promise<Image | undefined> {
  const images = await repository.images(damageIn(world));
  return images.length === 0 ? undefined : world.dice.pick(images);
}

/** Nothing that is listed may be damaged, unless it is just being removed. */
export function damageIn(world: World): (damage: Damage) => void {
  return ({ object, error }) => {
    if (error.code === 'io' && world.faults.counts.has('callFails')) return;
    const session = /^sessions\/([0-9a-f]{32})\./.exec(String(error.context.name ?? object))?.[1];
    const known = session === undefined ? undefined : world.oracle.find(Buffer.from(session, 'hex'));
    if (session !== undefined && (known === undefined || !world.oracle.mustExist(known))) return;
    throw new Violation(`${object} cannot be read: ${error.message}`);
  };
}

export function sessionOf({ header }: Pick<Image, 'header'>): string {
  return Buffer.from(header.session).toString('hex');
}

/** People and disks take their time. */
export async function pause({ dice }: World, { clock }: SimulatedProcess, chance = 0.3): Promise<void> {
  if (dice.chance(chance)) await clock.sleep(dice.magnitude(10, 60 * 60_000));
}

/** Collects what no image uses. Some give up. */
export const prune: Actor = async (world, process) => {
  const { dice } = world;
  const store = await world.openStore(process, 'collector');
  const unused = dice.pick([0, 0.05, 0.5]);
  const stop = new AbortController();
  if (dice.chance(0.1))
    process.clock
      .sleep(dice.magnitude(1000, 10 * 60_000))
      .then(() => stop.abort(new GaveUp('It took too long')));
  await collect(store, {
    clock: process.clock,
    signal: stop.signal,
    maxUnused: (bytes) => bytes * unused,
    maxRepackBytes: dice.pick([2000, Number.MAX_SAFE_INTEGER]),
    dryRun: false,
    progress: () => {},
  });
  world.faults.count('collections');
};

/** Looks for damage. */
export const verify: Actor = async (world, process) => {
  await verifyPacks(await world.openStore(process, 'verifier'), {
    clock: process.clock,
    signal: new AbortController().signal,
    progress: () => {},
    onDamage: ({ object, error }) => {
      if (process.wasFaulted && error.code === 'io') return;
      if (!world.isDamaged) throw new Violation(`${object} was found damaged: ${error.message}`);
    },
  });
};

/** Backs up all contents that there are. */
export const backUpAll: Actor = async (world, process) => {
  const repository = await world.openRepository(process, 'auditor');
  const dataset = repository.secrets.datasetId(['everything']);
  const session = await repository.openSession(dataset, { compression: 'off', clock: process.clock });
  const tree = new Map([['/everything', world.pool.map((_, chunk) => chunk)]]);
  const built = buildTree(session, repository.secrets, world.pool, tree, undefined);
  await commit(world, process, repository, session, built);
};

/** Why a collection was stopped that took too long. */
export class GaveUp extends Error {}
