import assert from 'node:assert/strict';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexOf } from '../../src/base/mod.ts';
import { SMALL_FILE_BYTES_MAX } from '../../src/chunk/mod.ts';
import { loadPrune } from '../../src/operations/mod.ts';
import { TestClock } from '../../src/operations/testing/small-repository.ts';
import type { Repository } from '../../src/repository/mod.ts';
import {
  assertReads,
  backUp,
  checkAll,
  contextOf,
  errorsIn,
  imagesOf,
  openRepository,
  proseOf,
  type Tree,
  treeOf,
} from '../testing/repository-fixture.ts';
import type { LoggedDisk } from './logged-disk.ts';

/** Positions are those of the log of the disk. */
interface KnownImage {
  readonly id: string;
  readonly tree: Tree;
  /** Its backup had said that it is saved. */
  readonly acknowledged: number;
  /** From when to when it was being forgotten. */
  forgetting: number;
  forgotten: number;
}

const FILES = 10;
const FILE_BYTES = 6000;
/** Long enough for a chunk of its own: packs come to hold waste beside what is used. */
const LONG_BYTES = SMALL_FILE_BYTES_MAX + 10_000;

/** What happened in a repository on a logged disk, with what its user was told and when. */
export class Life {
  readonly repository: string;
  readonly source: string;
  readonly images: KnownImage[] = [];
  /** When each command had succeeded. */
  readonly acknowledgements: number[] = [];
  readonly prunes: { readonly from: number; readonly to: number }[] = [];
  readonly #disk: LoggedDisk;
  readonly #caches: string | undefined;
  /** Copies of the caches, which stand on another disk, as each backup left them. */
  readonly #cached: { readonly position: number; readonly copy: string }[] = [];
  readonly #folder: string;
  #rounds = 0;

  /** @param folder for the source and for copies of `caches`, which has a folder for each repository */
  constructor(disk: LoggedDisk, folder: string, caches?: string) {
    this.repository = join(disk.root, 'repository');
    this.source = join(folder, 'source');
    this.#disk = disk;
    this.#caches = caches;
    this.#folder = folder;
    mkdirSync(join(this.source, 'folder'), { recursive: true });
    for (let i = 0; i < FILES; i++) this.#write(`${i}`, i, FILE_BYTES);
    this.#write('long 0', FILES, LONG_BYTES);
  }

  async begin(makeRepository: () => Promise<unknown>): Promise<void> {
    await makeRepository();
    this.#acknowledge();
  }

  /** A backup of the source, which changes before; `backUp` gives the id of the image. */
  async image(backUp: () => Promise<string>): Promise<void> {
    this.#change();
    const tree = treeOf(this.source);
    const id = await backUp();
    const acknowledged = this.#acknowledge();
    this.images.push({ id, tree, acknowledged, forgetting: Infinity, forgotten: Infinity });
    if (this.#caches === undefined) return;
    const copy = join(this.#folder, `caches ${this.images.length}`);
    cpSync(this.#caches, copy, { recursive: true });
    this.#cached.push({ position: acknowledged, copy });
  }

  /** `forget` is given the ids of the images, counted from the first that was made. */
  async forget(
    numbers: readonly number[],
    forget: (ids: readonly string[]) => Promise<unknown>,
  ): Promise<void> {
    const images = numbers.map((number) => this.images[number]!);
    for (const image of images) image.forgetting = this.#disk.position;
    await forget(images.map(({ id }) => id));
    const forgotten = this.#acknowledge();
    for (const image of images) image.forgotten = forgotten;
  }

  async prune(prune: () => Promise<unknown>): Promise<void> {
    const from = this.#disk.position;
    await prune();
    this.prunes.push({ from, to: this.#acknowledge() });
  }

  /** Fails unless the repository at `path` keeps what it had promised up to `position`. */
  async assertKept(position: number, path: string): Promise<void> {
    const repository = await openRepository(path);
    const found = await idsOf(repository);
    for (const { id, acknowledged, forgetting, forgotten } of this.images) {
      if (acknowledged <= position && position <= forgetting)
        assert.ok(found.includes(id), `image ${id} is lost`);
      if (forgotten <= position)
        assert.ok(!found.includes(id), `image ${id} was forgotten, and is there again`);
    }
    await this.#assertWhole(repository);
  }

  /** Fails unless a backup and a prune now succeed, and leave everything whole. Needs a folder for itself. */
  async assertGoesOn(position: number, path: string, folder: string): Promise<void> {
    const repository = await openRepository(path);
    const before = await idsOf(repository);
    const context = contextOf(repository, { stateFolder: this.#stateAt(position, repository, folder) });
    const { imageId } = await backUp(context, [this.source]);
    assert.deepEqual(
      context.told.problems.map(({ error }) => error.message),
      [],
    );
    await pruneAll(repository);
    const again = await openRepository(path);
    assert.deepEqual((await idsOf(again)).sort(), [...before, imageId!].sort());
    await this.#assertWhole(again);
  }

  /** Every image, acknowledged or not, is as its source was. */
  async #assertWhole(repository: Repository): Promise<void> {
    assert.deepEqual(errorsIn(await checkAll(repository)), []);
    for (const image of await imagesOf(repository)) {
      const known = this.images.find(({ id }) => id === hexOf(image.id));
      // What is backed up after the cut is the source as it is now.
      const { tree } = known ?? this.images.at(-1)!;
      await assertReads(repository, image, this.source, tree, `image ${hexOf(image.id)}`);
    }
  }

  /** The caches of the machine that backs up, which kept its power. */
  #stateAt(position: number, { config }: Repository, folder: string): string {
    const cached = this.#cached.findLast((each) => each.position <= position);
    const state = join(folder, hexOf(config.repositoryId));
    if (cached !== undefined) cpSync(cached.copy, folder, { recursive: true });
    mkdirSync(state, { recursive: true });
    return state;
  }

  #acknowledge(): number {
    const { position } = this.#disk;
    this.acknowledgements.push(position);
    return position;
  }

  #change(): void {
    const round = ++this.#rounds;
    const numbers = [round, round * 3 + 1, round * 7 + 2].map((number) => number % FILES);
    for (const number of numbers) this.#write(`${number}`, round * 100 + number, FILE_BYTES);
    this.#write(`folder/${round}`, round, FILE_BYTES);
    rmSync(join(this.source, `folder/${round - 2}`), { force: true });
    this.#write(`long ${round % 2}`, 1000 + round, LONG_BYTES);
  }

  #write(name: string, seed: number, length: number): void {
    writeFileSync(join(this.source, name), proseOf(seed, length));
  }
}

async function idsOf(repository: Repository): Promise<string[]> {
  return (await imagesOf(repository)).map(({ id }) => hexOf(id));
}

async function pruneAll({ store }: Repository): Promise<void> {
  const { prune } = await loadPrune();
  // Sessions that the cut broke off are waited for: by a clock on which that takes no time.
  const clock = new TestClock();
  clock.time = Date.now();
  const context = { store, clock, signal: new AbortController().signal, progress: () => {} };
  await prune(context, {
    maxUnused: { bytes: 0 },
    maxRepackBytes: Infinity,
    dryRun: false,
  });
}
