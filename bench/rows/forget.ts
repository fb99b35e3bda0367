import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bytesOf, systemClock } from '../../src/base/mod.ts';
import { SlotKind } from '../../src/crypto/mod.ts';
import {
  type DamagedFrames,
  type Image,
  Repository,
  readDamaged,
  type SessionHost,
  WriteSession,
} from '../../src/repository/mod.ts';
import { type ObjectStore, openFolderStore } from '../../src/store/mod.ts';
import type { Bench, Row } from '../bench.ts';
import { CommandFailed } from '../measure.ts';
import { below, median } from '../report.ts';
import type { Repository as Place } from '../tools.ts';
import { remove, settle } from '../workspace.ts';

const DATASETS = 20;
const HOUR = 3_600_000;
/** Between two images of a dataset: 500 of them are seventeen months. */
const HOURS_APART = 25;
const RULES = ['--keep-daily', '7', '--keep-weekly', '5', '--keep-monthly', '12'];

/** The policy of the issue over many images: as a machine does it that has never listed them, and as one that has. */
export const forgetRow: Row = {
  name: 'forget',
  title: 'forget over 10,000 images',
  async run(bench) {
    const { everfull, scale } = bench;
    const tree = bench.workspace.emptyFolder('small-tree');
    writeFileSync(join(tree, 'file'), 'one file');
    const at = await bench.newRepository(everfull, 'forget');
    await bench.run(everfull.backup(at, tree));
    bench.log(`  making ${scale.keptImages} images`);
    await makeImages(bench, at, scale.keptImages);
    await settle(at.store);
    const cold: number[] = [];
    const warm: number[] = [];
    for (let round = 0; round < scale.rounds; round++) {
      remove(join(at.home, 'cache'));
      cold.push((await bench.run(everfull.forget(at, ...RULES, '--dry-run'))).ms);
      warm.push((await bench.run(everfull.forget(at, ...RULES, '--dry-run'))).ms);
    }
    const done = await bench.run(everfull.forget(at, ...RULES));
    if (!/^\d+ images? forgotten, \d+ stay/m.test(done.stdout.toString('latin1')))
      throw new CommandFailed('Could not forget images: nothing says how many');
    const [first, next] = [median(cold), median(warm)];
    remove(at.store);
    return {
      lines: [
        { label: 'on a machine that never listed them', unit: 'ms', values: { everfull: first }, floors: [] },
        { label: 'dry run', unit: 'ms', values: { everfull: next }, floors: [below(next, 2000, 'ms')] },
        { label: 'time', unit: 'ms', values: { everfull: done.ms }, floors: [below(done.ms, 2000, 'ms')] },
        { label: 'peak memory', unit: 'bytes', values: { everfull: done.peakBytes }, floors: [] },
      ],
    };
  },
};

/** Images of the tree that the one in the repository is of, as backups would have made them, at the times that they bear. */
async function makeImages(bench: Bench, at: Place, count: number): Promise<void> {
  const password = bench.everfull.open(at).env.EVERFULL_PASSWORD!;
  const store = await openFolderStore(at.store);
  const repository = await Repository.open(store, [
    { kind: SlotKind.passphrase, secret: Buffer.from(password) },
  ]);
  const [image] = await repository.images(({ error }) => {
    throw error;
  });
  const damaged = await readDamaged(store);
  const start = image!.committed - Math.ceil(count / DATASETS) * HOURS_APART * HOUR;
  for (let dataset = 0; dataset < DATASETS; dataset++) {
    const host = `host${dataset}`;
    const chain = chainOf(repository, withoutSync(store, at.store), damaged);
    for (let number = 0; number * DATASETS + dataset < count; number++)
      await chain.add(image!, host, start + number * HOURS_APART * HOUR);
  }
  await repository.close();
}

/** Commits images of one dataset behind each other, without looking at the store. */
function chainOf(repository: Repository, store: ObjectStore, damaged: DamagedFrames) {
  const { keyring, secrets } = repository;
  let end: Awaited<ReturnType<SessionHost['chainEnd']>>;
  const host: SessionHost = {
    store,
    keyring,
    secrets,
    reusable: async () => ({ frames: { has: () => true, addPack: () => {} }, damaged }),
    chainEnd: async () => end,
  };
  return {
    async add({ header, body }: Image, name: string, time: number): Promise<void> {
      const dataset = secrets.datasetId([name, 'paths', ...body.paths]);
      const clock = { ...systemClock, now: () => time };
      const session = await WriteSession.open(host, dataset, { compression: 'auto', clock });
      const { indexRoot: root, indexLevel: level, indexItems: items, indexLength: length } = header;
      end = await session.commit({
        endpoint: await repository.endpoint(name),
        kind: header.kind,
        root: { root, level, items, length },
        body: { ...body, host: name, time, started: time, ended: time },
      });
    },
  };
}

/** `store`, whose new objects are written as they are: what is made for a measurement may be lost. */
function withoutSync(store: ObjectStore, folder: string): ObjectStore {
  const write = async (name: string, parts: readonly Uint8Array[]) => {
    const path = bytesOf(join(folder, name));
    mkdirSync(dirname(path.toString()), { recursive: true });
    writeFileSync(path, Buffer.concat(parts));
  };
  return {
    location: store.location,
    putIfAbsent: write,
    replace: write,
    get: (name, options) => store.get(name, options),
    size: (name) => store.size(name),
    list: (prefix) => store.list(prefix),
    delete: (name) => store.delete(name),
    deleteDurably: (names) => store.deleteDurably(names),
    close: () => store.close(),
  };
}
