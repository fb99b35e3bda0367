import { hexOf, isEverfullError } from '../src/base/mod.ts';
import { collect, type Repository } from '../src/repository/mod.ts';
import { damageIn } from './actors.ts';
import { nameOf, Violation } from './oracle.ts';
import type { SimulatedProcess } from './scheduler.ts';
import { differenceOf } from './trees.ts';
import { listed } from './views.ts';
import type { World } from './world.ts';

/** After so many collections with nobody else at work nothing is left to collect. */
const PRUNES_MAX = 5;

/** Restores every image that is there, and misses none. The ids of all frames in use. Throws {@link Violation}. */
export async function audit(world: World, process: SimulatedProcess): Promise<Set<string>> {
  return auditOf(world, await world.openRepository(process, 'auditor'));
}

async function auditOf(world: World, repository: Repository): Promise<Set<string>> {
  const { oracle, pool } = world;
  const frames = new Set<string>();
  const there = new Set<string>();
  for (const image of await repository.images(damageIn(world))) {
    const known = oracle.listed(image.header.session);
    there.add(known.session);
    if (known.forget === 'acknowledged')
      throw new Violation(`${nameOf(known)} was forgotten, and is listed again`);
    const hooks = { onFrame: (id: Uint8Array) => void frames.add(hexOf(id)) };
    const difference = await differenceOf(repository, image, known.tree, pool, hooks).catch((error: Error) =>
      world.isDamaged && isEverfullError(error, 'damaged') ? undefined : error.message,
    );
    if (difference !== undefined) throw new Violation(`${nameOf(known)} does not restore: ${difference}`);
  }
  for (const known of oracle.images)
    if (oracle.mustExist(known) && !there.has(known.session)) throw new Violation(`${nameOf(known)} is gone`);
  return frames;
}

/** Collects until nothing is left to collect. Throws {@link Violation} where that never comes. */
export async function pruneAll(world: World, process: SimulatedProcess): Promise<void> {
  const store = await world.openStore(process, 'auditor');
  for (let runs = 0; ; runs++) {
    const { packsDeleted, sessionsRemoved, sessionsExpired } = await collect(store, {
      clock: process.clock,
      signal: new AbortController().signal,
      maxUnused: () => 0,
      maxRepackBytes: Number.MAX_SAFE_INTEGER,
      dryRun: false,
      progress: () => {},
    });
    if (packsDeleted + sessionsRemoved + sessionsExpired === 0) return;
    if (runs === PRUNES_MAX) throw new Violation('collection does not come to an end');
  }
}

/** Nothing is stored that no image uses, and nothing twice. Throws {@link Violation}. */
export async function checkNothingLeft(world: World, process: SimulatedProcess): Promise<void> {
  const repository = await world.openRepository(process, 'auditor');
  const live = await auditOf(world, repository);
  const images = new Set(
    (await repository.images(damageIn(world))).map(({ header }) => hexOf(header.session)),
  );
  // What a session left that died while it kept nothing goes with the next garbage.
  for (const { name } of await listed(repository.store, 'sessions/'))
    if (name.endsWith('.end') && !images.has(name.slice('sessions/'.length, -'.end'.length)))
      throw new Violation(`${name} is left`);
  for (const prefix of ['condemned/', 'damaged/'])
    for (const { name } of await listed(repository.store, prefix)) throw new Violation(`${name} is left`);
  await repository.frames.refresh();
  const seen = new Set<string>();
  for (const { id, pack } of repository.index.all()) {
    const frame = hexOf(id);
    const what = `frame ${frame.slice(0, 8)} in pack ${hexOf(pack).slice(0, 8)}`;
    if (!live.has(frame)) throw new Violation(`${what} is garbage and left`);
    if (seen.has(frame)) throw new Violation(`${what} is stored twice`);
    seen.add(frame);
  }
}
