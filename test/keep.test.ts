import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Dice } from '../bench/content.ts';
import { byteStringFromText } from '../src/base/mod.ts';
import { formatKeyFile } from '../src/crypto/mod.ts';
import { Repository } from '../src/repository/mod.ts';
import { type ObjectStore, openFolderStore } from '../src/store/mod.ts';
import { openS3Store } from '../src/store/s3/mod.ts';
import { CommandLine, type Ended } from './command-line.ts';
import { Ceph } from './testing/ceph.ts';
import {
  assertRestores,
  checkAll,
  errorsIn,
  imagesOf,
  KEY,
  proseOf,
  type Tree,
  treeOf,
} from './testing/repository-fixture.ts';

const SECONDS = Number(process.env.EVERFULL_KEEP_SECONDS ?? 30);
const FILES = 30;
/** Longer than any of these small sessions takes, also on a busy machine; a killed one is waited for so long. */
const SESSION_TIMEOUT_S = 15;

/** What one writer knows of the images that were acknowledged to it. */
interface Acknowledged {
  readonly source: string;
  readonly tree: Tree;
  /** Somebody tried to forget it: it may be gone, or not. */
  mayBeGone: boolean;
}

const SEED = process.env.EVERFULL_KEEP_SEED ?? String(Date.now());

test('writers, readers, a collector and a verifier that are killed at random lose nothing on a folder', async (context) => {
  const line = new CommandLine(context);
  const location = line.path('repository');
  const open = () => openFolderStore(byteStringFromText(location));
  await new Torture(context, line, { location, environment: {}, open }).run();
});

test('the same on Ceph', async (context) => {
  const ceph = await Ceph.start();
  try {
    const { endpoint, accessKey, secretKey, environment } = ceph;
    const location = ceph.newLocation();
    const [bucket, ...prefix] = new URL(location.slice('s3:'.length)).pathname.slice(1).split('/');
    const place = { endpoint, bucket: bucket!, prefix: prefix.join('/'), accessKey, secretKey };
    const open = () => openS3Store(place);
    await new Torture(context, new CommandLine(context), { location, environment, open }).run();
  } finally {
    await ceph.stop();
  }
});

interface Place {
  readonly location: string;
  readonly environment: Record<string, string>;
  open(): Promise<ObjectStore>;
}

class Torture {
  readonly #context: TestContext;
  readonly #line: CommandLine;
  readonly #place: Place;
  readonly #access: string[];
  readonly #dice: Dice;
  readonly #images = new Map<string, Acknowledged>();
  readonly #counts: Record<string, { done: number; killed: number; failed: number }> = {};
  #ends = 0;

  constructor(context: TestContext, line: CommandLine, place: Place) {
    this.#context = context;
    this.#line = line;
    this.#place = place;
    context.diagnostic(`seed ${SEED}`);
    this.#dice = new Dice(SEED);
    writeFileSync(line.path('key'), formatKeyFile(KEY.secret));
    this.#access = ['-r', place.location, '--key-file', line.path('key')];
  }

  async run(): Promise<void> {
    await this.#line.ok([...this.#access, 'init'], { env: this.#place.environment });
    this.#ends = Date.now() + SECONDS * 1000;
    await Promise.all([
      this.#write('one'),
      this.#write('two'),
      this.#read(),
      this.#forget(),
      this.#again('prune', () => this.#prune(0.4)),
      this.#again('verify', () => this.#start('verify', ['verify'], 0.2)),
    ]);
    for (const [verb, { done, killed, failed }] of Object.entries(this.#counts))
      this.#context.diagnostic(`${verb}: ${done} done, ${killed} killed, ${failed} failed`);
    assert.equal((await this.#prune(0)).code, 0);
    await this.#assertAll();
  }

  /** Runs a verb, and kills it after a random time with a probability of `killed`. */
  async #start(name: string, words: readonly string[], killed: number): Promise<Ended> {
    const kills = this.#dice.below(1000) < killed * 1000;
    const after = this.#dice.below(1200);
    const ended = await this.#line.run([...this.#access, ...words], {
      env: this.#place.environment,
      meanwhile: (child) => {
        if (kills) setTimeout(() => child.kill('SIGKILL'), after);
      },
    });
    this.#counts[name] ??= { done: 0, killed: 0, failed: 0 };
    this.#counts[name][ended.code === 0 ? 'done' : ended.code === null ? 'killed' : 'failed']++;
    return ended;
  }

  async #again(_name: string, work: () => Promise<unknown>): Promise<void> {
    while (this.#goesOn()) {
      await work();
      await sleep(this.#dice.below(1000));
    }
  }

  /** On a busy machine it takes longer until something was done. */
  #goesOn(): boolean {
    const isEnough = this.#images.size >= 6 && [...this.#images.values()].some(({ mayBeGone }) => mayBeGone);
    return Date.now() < this.#ends + (isEnough ? 0 : 4 * SECONDS * 1000);
  }

  async #prune(killed: number): Promise<Ended> {
    const words = ['prune', '--max-unused', '0', '--session-timeout', String(SESSION_TIMEOUT_S)];
    const ended = await this.#start('prune', words, killed);
    assert.ok(ended.code === 0 || ended.code === null, ended.stderr);
    return ended;
  }

  async #write(name: string): Promise<void> {
    const source = this.#line.path(name);
    mkdirSync(source);
    for (let i = 0; i < FILES; i++) writeFileSync(join(source, `${i}`), proseOf(i, 20_000));
    await this.#again(name, async () => {
      this.#change(source);
      const tree = treeOf(source);
      const { code, stdout, stderr } = await this.#start('backup', ['--json', 'backup', source], 0.4);
      if (code === null) return;
      // A backup that took longer than dead sessions are waited for is told so, and made no image.
      if (code !== 0) return assert.match(stderr, /session-expired|was ended by a collector/);
      const { snapshot_id } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { snapshot_id: string };
      this.#images.set(snapshot_id, { source, tree, mayBeGone: false });
    });
  }

  /** Contents come again, so that sessions build on what others have stored, and on what was forgotten. */
  #change(source: string): void {
    for (let changes = 0; changes < 6; changes++) {
      const path = join(source, String(this.#dice.below(FILES)));
      const kind = this.#dice.below(4);
      if (kind === 0) rmSync(path, { force: true });
      else if (kind === 1) appendFileSync(path, 'more ');
      else writeFileSync(path, proseOf(this.#dice.below(60), 20_000));
    }
  }

  async #forget(): Promise<void> {
    await this.#again('forget', async () => {
      const left = [...this.#images].filter(([, { mayBeGone }]) => !mayBeGone);
      // The newest of each writer stay, as the last of their dataset would.
      const old = left.slice(0, Math.max(0, left.length - 4));
      if (old.length === 0) return;
      const [id, image] = old[this.#dice.below(old.length)]!;
      image.mayBeGone = true;
      await this.#start('forget', ['forget', id], 0.3);
    });
  }

  async #read(): Promise<void> {
    let reads = 0;
    await this.#again('restore', async () => {
      const [id, image] = [...this.#images][this.#dice.below(this.#images.size || 1)] ?? [];
      if (id === undefined || image === undefined) return;
      const target = this.#line.path(`restored ${++reads}`);
      const { code, stderr } = await this.#start('restore', ['restore', id, '--target', target], 0.2);
      if (code === 0) {
        assertSameTree(treeOf(join(target, image.source)), image.tree, id);
      } else if (code !== null) {
        assert.ok(image.mayBeGone, `an image that nobody forgot cannot be restored: ${stderr}`);
      }
      rmSync(target, { recursive: true, force: true });
    });
  }

  async #assertAll(): Promise<void> {
    const store = await this.#place.open();
    const repository = await Repository.open(store, [KEY]);
    assert.deepEqual(errorsIn(await checkAll(repository)), []);
    const there = new Map((await imagesOf(repository)).map((image) => [image.id.toString('hex'), image]));
    let exact = 0;
    let gone = 0;
    for (const [id, { source, tree, mayBeGone }] of this.#images) {
      const image = there.get(id);
      if (image === undefined) {
        assert.ok(mayBeGone, `image ${id} was acknowledged, and nobody forgot it`);
        gone++;
        continue;
      }
      await assertRestores(repository, image, source, tree, this.#line.path(`final ${exact++}`));
    }
    this.#context.diagnostic(
      `${this.#images.size} images acknowledged, ${exact} restored exactly, ${gone} forgotten, lost 0`,
    );
    assert.ok(exact > 0 && gone > 0);
    for await (const { name } of store.list('condemned/')) assert.fail(`${name} is left`);
    await store.close();
  }
}

function assertSameTree(found: Tree, wanted: Tree, id: string): void {
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort(), `image ${id}`);
  for (const [path, entry] of wanted)
    assert.ok(found.get(path)!.content.equals(entry.content), `${id}: ${path}`);
}
