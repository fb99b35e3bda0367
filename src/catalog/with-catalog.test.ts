import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isEverfullError } from '../base/mod.ts';
import { withCatalog } from './mod.ts';
import { pathsIn, series, TestImages, update } from './testing/images.ts';

const PROGRAM = fileURLToPath(new URL('./testing/use-catalog.ts', import.meta.url));
const COUNT = 3;
const EXPECTED = [301, 302, 303];

let folder: string;
let images: TestImages;
let notices: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-'));
  images = new TestImages();
  notices = [];
});
afterEach(() => rm(folder, { recursive: true }));

const options = () => ({
  signal: new AbortController().signal,
  notice: (message: string) => notices.push(message),
});
const path = (name: string) => join(folder, name);

/** How many files each image of a series has, by the catalog in `at`. */
function search(
  at: string | undefined = folder,
  changes: Partial<Parameters<typeof withCatalog>[1]> = {},
): Promise<number[]> {
  const all = series(images, COUNT);
  return withCatalog(at, { ...options(), ...changes }, async (catalog) => {
    await update(catalog, all, images);
    return (await pathsIn(catalog, { images: all, fingerprint: '' })).map((paths) => paths.length);
  });
}

function start(...values: string[]): ChildProcess {
  return spawn(process.execPath, [PROGRAM, folder, ...values], { stdio: ['ignore', 'pipe', 'inherit'] });
}

describe('a kept catalog', () => {
  test('is used again as it is, without a word', async () => {
    assert.deepEqual(await search(), EXPECTED);
    const before = await readFile(path('catalog.sqlite'));
    const reads = images.nodes.reads;
    assert.deepEqual(await search(), EXPECTED);
    assert.equal(images.nodes.reads, reads);
    assert.ok(before.equals(await readFile(path('catalog.sqlite'))));
    assert.deepEqual(notices, []);
  });

  test('is for the user alone, since it holds the names of files', async () => {
    await search();
    for (const name of ['catalog.sqlite', 'catalog.digest'])
      assert.equal((await stat(path(name))).mode & 0o777, 0o600);
  });

  const damages: Readonly<Record<string, () => Promise<void>>> = {
    'with a flipped bit in its data': () => flip('catalog.sqlite', 0.7),
    'with a flipped bit in its header': () => flip('catalog.sqlite', 0),
    'cut short': async () => truncate(path('catalog.sqlite'), 10_000),
    'made empty': async () => truncate(path('catalog.sqlite'), 0),
    'that is no database': async () => writeFile(path('catalog.sqlite'), 'nothing of ours\n'.repeat(1000)),
    'without its digest': async () => rm(path('catalog.digest')),
    'whose digest is damaged': () => flip('catalog.digest', 0.8),
  };
  for (const [what, damage] of Object.entries(damages)) {
    test(`${what} is built anew, with a notice`, async () => {
      await search();
      await damage();
      assert.deepEqual(await search(), EXPECTED);
      assert.deepEqual(notices, [
        `The catalog ${path('catalog.sqlite')} is built anew: it was damaged, or its last update did not end`,
      ]);
      assert.deepEqual(await search(), EXPECTED);
      assert.equal(notices.length, 1);
    });
  }

  test('of another version is built anew, with a notice', async () => {
    await search();
    const seal = await readFile(path('catalog.digest'), 'latin1');
    await writeFile(
      path('catalog.digest'),
      seal.replace(/^everfull catalog \d+ [0-9a-f]+/, `everfull catalog 0 ${'0'.repeat(64)}`),
    );
    assert.deepEqual(await search(), EXPECTED);
    assert.deepEqual(notices, [
      `The catalog ${path('catalog.sqlite')} is built anew: it was of another version`,
    ]);
  });

  test('that is missing is built without a word, beside an old digest and an old journal too', async () => {
    await search();
    await rm(path('catalog.sqlite'));
    await writeFile(path('catalog.sqlite-journal'), 'left behind');
    assert.deepEqual(await search(), EXPECTED);
    assert.deepEqual(notices, []);
  });

  test('of another repository is emptied of what is not there', async () => {
    await search();
    const other = new TestImages();
    const image = other.of('other', 1, { '/only': 'text' });
    const found = await withCatalog(folder, options(), async (catalog) => {
      await update(catalog, [image], other);
      return pathsIn(catalog, { images: [image, ...series(images, COUNT)] });
    });
    assert.deepEqual(found, [['/only'], [], [], []]);
  });

  test('that fails in the middle is thrown away, and a private one takes its place', async () => {
    let attempts = 0;
    const result = await withCatalog(folder, options(), async (catalog) => {
      await update(catalog, series(images, COUNT), images);
      if (attempts++ === 0)
        throw Object.assign(new Error('database disk image is malformed'), {
          code: 'ERR_SQLITE_ERROR',
          errcode: 11,
        });
      return attempts;
    });
    assert.equal(result, 2);
    assert.match(notices.join(), /malformed.*private one/);
    await assert.rejects(stat(path('catalog.sqlite')), { code: 'ENOENT' });
    assert.deepEqual(await search(), EXPECTED);
  });

  test('keeps what was added before the work failed for another reason', async () => {
    const failing = withCatalog(folder, options(), async (catalog) => {
      await update(catalog, series(images, COUNT), images);
      throw new TypeError('test');
    });
    await assert.rejects(failing, TypeError);
    const reads = images.nodes.reads;
    assert.deepEqual(await search(), EXPECTED);
    assert.equal(images.nodes.reads, reads);
    assert.deepEqual(notices, []);
  });
});

describe('a folder that no catalog can be kept in', () => {
  test('costs a notice and the time for a private one', async () => {
    await writeFile(path('file'), '');
    await mkdir(path('odd/catalog.sqlite'), { recursive: true });
    for (const at of ['file', 'odd']) assert.deepEqual(await search(path(at)), EXPECTED);
    assert.equal(notices.length, 2);
    for (const notice of notices) assert.match(notice, /cannot be used .*: a private one is built$/);
  });

  test('is not asked for when there is none', async () => {
    assert.deepEqual(await withCatalog(undefined, options(), async () => 'used'), 'used');
    assert.deepEqual(notices, []);
  });
});

describe('a catalog in use', () => {
  test('is waited for', async () => {
    const order: string[] = [];
    const hold = async (name: string) => {
      order.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push(`${name} ends`);
    };
    await Promise.all(
      ['one', 'two', 'three'].map((name) => withCatalog(folder, options(), () => hold(name))),
    );
    assert.equal(order.length, 6);
    for (let i = 0; i < order.length; i += 2) assert.equal(order[i]!.replace('begins', 'ends'), order[i + 1]);
    assert.deepEqual(notices, []);
  });

  test('that is not let go of is done without', async () => {
    await withCatalog(folder, options(), async () => {
      assert.deepEqual(await search(folder, { lockWaitMs: 0 }), EXPECTED);
    });
    assert.deepEqual(notices, [
      `The catalog in ${folder} is in use by another process: a private one is built`,
    ]);
  });

  test('is not waited for after an interrupt', async () => {
    const interrupt = new AbortController();
    await withCatalog(folder, options(), async () => {
      const waiting = search(folder, { signal: interrupt.signal });
      interrupt.abort();
      await assert.rejects(waiting, (error) => isEverfullError(error, 'interrupted'));
    });
  });

  test('serves several processes at once, one after another', async () => {
    const answers = await Promise.all([COUNT, COUNT, COUNT].map((count) => text(start(`${count}`).stdout!)));
    for (const answer of answers) assert.deepEqual(JSON.parse(answer), { notices: [], counts: EXPECTED });
    const reads = images.nodes.reads;
    assert.deepEqual(await search(), EXPECTED);
    assert.equal(images.nodes.reads, reads);
  });

  test('of a process that was killed is free, and is built anew', async () => {
    const child = start(`${COUNT}`, 'stall');
    const [line] = await once(child.stdout!, 'data');
    assert.equal(String(line), 'stalled\n');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.deepEqual(await search(), EXPECTED);
    assert.deepEqual(notices, [
      `The catalog ${path('catalog.sqlite')} is built anew: it was damaged, or its last update did not end`,
    ]);
  });
});

async function flip(name: string, place: number): Promise<void> {
  const bytes = await readFile(path(name));
  bytes[Math.floor(bytes.length * place)]! ^= 4;
  await writeFile(path(name), bytes);
}
