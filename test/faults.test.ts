import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { byteStringFromText, isEverfullError } from '../src/base/mod.ts';
import { digest, formatKeyFile } from '../src/crypto/mod.ts';
import { Repository } from '../src/repository/mod.ts';
import { countingCalls, type FileSystemCallKind, openFolderStore, systemCalls } from '../src/store/mod.ts';
import { CommandLine } from './command-line.ts';
import { InterruptedBackup } from './testing/interrupted-backup.ts';
import {
  backUp,
  contextOf,
  imagesOf,
  KEY,
  newRepository,
  openRepository,
  proseOf,
  treeOf,
} from './testing/repository-fixture.ts';

/** A failure that the kernel reports. */
const ERRNO = { EIO: -5, ENOSPC: -28 } as const;
type Errno = keyof typeof ERRNO;

/** What needs room on the disk. */
const NEEDS_ROOM: ReadonlySet<FileSystemCallKind> = new Set([
  'create',
  'write',
  'sync',
  'link',
  'makeFolder',
]);

describe('a backup whose repository fails', () => {
  test('once, at any call that changes it, leaves it whole, and the next one goes on', async (context) => {
    const prepared = await preparedFor(context, 'contents');
    await failAtEach(context, prepared, 'EIO', (at, number) => number === at);
  });

  test('for want of room from any call on leaves it whole, and the next one goes on', async (context) => {
    const prepared = await preparedFor(context, 'mode');
    const isFull = (at: number, number: number, kind: FileSystemCallKind) =>
      number >= at && NEEDS_ROOM.has(kind);
    await failAtEach(context, prepared, 'ENOSPC', isFull);
  });
});

async function preparedFor(context: TestContext, change: 'contents' | 'mode'): Promise<InterruptedBackup> {
  const prepared = await InterruptedBackup.prepare(change);
  context.after(() => prepared.remove());
  return prepared;
}

async function failAtEach(
  context: TestContext,
  prepared: InterruptedBackup,
  errno: Errno,
  fails: (at: number, number: number, kind: FileSystemCallKind) => boolean,
): Promise<void> {
  const figures = { failed: 0, succeeded: 0 };
  for (let at = 1, isReached = true; isReached; at++) {
    const attempt = prepared.attempt();
    isReached = false;
    let kind: FileSystemCallKind | undefined;
    const calls = countingCalls(systemCalls, {
      onCall(number, called) {
        if (number === at) isReached = true;
        if (!fails(at, number, called)) return;
        kind ??= called;
        throw Object.assign(new Error(`injected ${errno}`), {
          code: errno,
          errno: ERRNO[errno],
          syscall: called,
        });
      },
    });
    const store = await openFolderStore(byteStringFromText(attempt.repository), { calls });
    const told = contextOf(await Repository.open(store, [KEY]), { stateFolder: attempt.state });
    const error = await backUp(told, [prepared.source]).then(
      () => undefined,
      (error: unknown) => error,
    );
    const what = `${errno} at call ${at}${kind === undefined ? '' : `, ${kind}`}`;
    if (error === undefined) figures.succeeded++;
    else {
      figures.failed++;
      const code = errno === 'EIO' ? 'io' : 'disk-full';
      assert.ok(isEverfullError(error, code), `${what}: ${error}`);
      assert.ok(error.advice !== undefined, `${what}: no advice with ${error.message}`);
    }
    // What was said to have been committed is there; what failed may be there, if only the last step did.
    const images = (await imagesOf(await openRepository(attempt.repository))).length;
    assert.ok(images === 2 || (images === 1 && error !== undefined), `${what}: ${images} images`);
    await prepared.assertWhole(attempt, images, what);
    await prepared.assertGoesOn(attempt, images, what);
  }
  context.diagnostic(
    `${errno}: ${figures.failed} backups failed, ${figures.succeeded} did not mind; repositories damaged 0`,
  );
  assert.ok(figures.failed > 40);
}

/** A repository with two images of a small tree, on the real command line. */
class Scene {
  readonly line: CommandLine;
  readonly source: string;
  readonly repository: string;

  private constructor(line: CommandLine) {
    this.line = line;
    this.source = line.path('source');
    this.repository = line.path('repository');
  }

  static async open(context: TestContext): Promise<Scene> {
    const scene = new Scene(new CommandLine(context));
    writeFileSync(scene.line.path('key'), formatKeyFile(KEY.secret));
    mkdirSync(join(scene.source, 'folder'), { recursive: true });
    for (let i = 0; i < 3; i++) writeFileSync(join(scene.source, `${i}`), proseOf(i, 2000));
    const store = await openFolderStore(byteStringFromText(scene.repository), { create: true });
    const repository = await newRepository(store);
    await backUp(contextOf(repository), [scene.source]);
    writeFileSync(join(scene.source, 'folder/later'), proseOf(9, 2000));
    await backUp(contextOf(repository), [scene.source]);
    return scene;
  }

  get access(): string[] {
    return ['-r', this.repository, '--key-file', this.line.path('key')];
  }

  ok(...words: string[]): Promise<string> {
    return this.line.ok([...this.access, ...words]);
  }

  /** A run that must end with `code`: all that it printed, without a stack. */
  async fails(code: number, words: readonly string[], prefix: readonly string[] = []): Promise<string> {
    const { stdout, stderr, ...ended } = await this.line.spawn([
      ...prefix,
      ...CommandLine.words,
      ...this.access,
      ...words,
    ]);
    assert.equal(ended.code, code, `${words.join(' ')}: ${stdout}${stderr}`);
    assert.doesNotMatch(stderr, /^ {4}at |unexpected failure|FATAL/m);
    return stdout + stderr;
  }

  /** The objects whose names match, oldest first, as names. */
  objects(pattern: RegExp): string[] {
    return readdirSync(this.repository, { recursive: true, encoding: 'utf8' })
      .filter((name) => pattern.test(name) && statSync(join(this.repository, name)).isFile())
      .sort((a, b) => this.#time(a) - this.#time(b));
  }

  #time(name: string): number {
    return statSync(join(this.repository, name)).mtimeMs;
  }

  /** Puts other bytes in place of an object's, or removes it, while `work` runs. */
  async with(name: string, change: (bytes: Buffer) => Buffer | undefined, work: () => Promise<void>) {
    const path = join(this.repository, name);
    const bytes = readFileSync(path);
    const changed = change(Buffer.from(bytes));
    if (changed === undefined) rmSync(path);
    else writeFileSync(path, changed);
    try {
      await work();
    } finally {
      writeFileSync(path, bytes);
    }
  }
}

const ADVICE = /^ {2}[A-Z].*\.$/m;
const MIDDLE = (bytes: Buffer) => {
  bytes[bytes.length >> 1]! ^= 1;
  return bytes;
};
const GONE = () => undefined;

describe('the command line', () => {
  test('says what is wrong with a repository that it cannot open, and what to do', async (context) => {
    const scene = await Scene.open(context);
    const { line } = scene;
    writeFileSync(line.path('other key'), formatKeyFile(Buffer.alloc(32, 8)));
    const wrong = await line.fails(12, [
      '-r',
      scene.repository,
      '--key-file',
      line.path('other key'),
      'images',
    ]);
    assert.match(wrong, /no key slot .*opens/);
    assert.match(wrong, ADVICE);
    const none = await line.fails(10, ['-r', line.path('nowhere'), '--key-file', line.path('key'), 'images']);
    assert.match(none, /there is none\n {2}Check the place/);
    writeFileSync(line.path('a file'), '');
    const file = await line.fails(1, ['-r', line.path('a file'), '--key-file', line.path('key'), 'images']);
    assert.match(file, /a file/);
    for (const [name, change, expected] of [
      ['config', MIDDLE, 'config'],
      [scene.objects(/^keys\/domain/)[0]!, MIDDLE, 'keys'],
      [scene.objects(/^keys\/domain/)[0]!, GONE, 'keys'],
      [scene.objects(/^keys\/slot/)[0]!, MIDDLE, 'key slot'],
    ] as const) {
      await scene.with(name, change, async () => {
        const said = await scene.fails(1, ['images']);
        assert.match(said, new RegExp(expected), name);
        assert.match(said, ADVICE, `${name}: ${said}`);
      });
    }
    await scene.ok('check');
  });

  test('says that a newer version wrote what it does not understand', async (context) => {
    const scene = await Scene.open(context);
    const record = (bytes: Buffer) => {
      bytes[5] = 2;
      digest(bytes.subarray(0, -32)).forEach((byte, i) => {
        bytes[bytes.length - 32 + i] = byte;
      });
      return bytes;
    };
    const pack = (bytes: Buffer) => {
      bytes[4] = 2;
      return bytes;
    };
    for (const [name, change] of [
      ['config', record],
      [scene.objects(/^manifests/)[0]!, record],
      [scene.objects(/^packs/)[0]!, pack],
      [scene.objects(/^index/)[0]!, pack],
    ] as const) {
      await scene.with(name, change, async () => {
        const said = await scene.fails(1, ['check']);
        assert.match(said, /version 2, not 1/, name);
        assert.match(said, /newer version/, `${name}: ${said}`);
      });
    }
  });

  test('names each damaged or missing object, what it touches, and restores the rest', async (context) => {
    const scene = await Scene.open(context);
    const [chunks, nodes, , laterNodes] = scene.objects(/^packs/);
    const cases: readonly (readonly [string, (bytes: Buffer) => Buffer | undefined, RegExp])[] = [
      [chunks!, MIDDLE, /\/source\/[012]/],
      [chunks!, GONE, /\/source\/[012]/],
      [nodes!, GONE, /image [0-9a-f]{8}/],
      [laterNodes!, MIDDLE, /image [0-9a-f]{8}/],
      [scene.objects(/^index/)[0]!, MIDDLE, /index segment/],
      [scene.objects(/^index/)[0]!, GONE, /images use/],
      [scene.objects(/^manifests/)[1]!, MIDDLE, /image [0-9a-f]{8}/],
      [scene.objects(/^keys\/data/)[0]!, GONE, /image [0-9a-f]{8}/],
    ];
    for (const [name, change, touched] of cases) {
      await scene.with(name, change, async () => {
        const said = await scene.fails(1, ['check', '--read-data']);
        assert.ok(said.includes(name), `${name}: ${said}`);
        assert.match(said, touched, name);
        assert.match(said, ADVICE, name);
      });
    }
    await scene.with(chunks!, MIDDLE, async () => {
      const target = scene.line.path('restored');
      const said = await scene.fails(1, ['restore', 'latest', '--target', target]);
      assert.match(said, /source\/[012]/);
      assert.match(said, ADVICE);
      const restored = treeOf(join(target, scene.source));
      assert.ok(restored.has('folder/later'));
      for (const [path, found] of restored) {
        const wanted = treeOf(scene.source).get(path)!;
        if (found.type === 'file') assert.ok(found.content.equals(wanted.content), path);
      }
    });
    // A lost segment costs time only.
    await scene.with(scene.objects(/^index/)[0]!, GONE, async () => {
      await scene.ok('restore', 'latest', '--target', scene.line.path('without a segment'));
    });
    assert.match(await scene.ok('check', '--read-data'), /no errors/);
  });

  test('says what it cannot read, and what it cannot write', async (context) => {
    const scene = await Scene.open(context);
    const { line } = scene;
    writeFileSync(line.path('a file'), 'x');
    const target = await scene.fails(1, ['restore', 'latest', '--target', line.path('a file')]);
    assert.match(target, /it is not a folder/);
    assert.match(target, ADVICE);
    assert.match(await scene.fails(1, ['backup', line.path('nowhere')]), /nowhere.*there is nothing there/);
    assert.match(await scene.fails(3, ['backup', scene.source, line.path('nowhere')]), /nowhere/);

    chmodSync(join(scene.source, '1'), 0);
    const unreadable = await scene.fails(3, ['backup', scene.source], BOUND);
    assert.match(unreadable, /source\/1": .*permission denied/i);
    assert.match(unreadable, ADVICE);
    assert.match(await scene.ok('ls', 'latest'), /source\/2/);
    chmodSync(join(scene.source, '1'), 0o644);

    const folders = [
      scene.repository,
      ...scene.objects(/./).map((name) => join(scene.repository, name, '..')),
    ];
    for (const folder of folders) chmodSync(folder, 0o500);
    try {
      const said = await scene.fails(1, ['backup', scene.source], BOUND);
      assert.match(said, /permission denied/i);
      assert.match(said, ADVICE);
    } finally {
      for (const folder of folders) chmodSync(folder, 0o700);
    }
    assert.match(await scene.ok('check', '--read-data'), /no errors/);
  });

  test('ends with an error on a full disk, and goes on when there is room', async (context) => {
    const line = new CommandLine(context);
    const [small, large] = [line.path('small'), line.path('large')];
    writeFileSync(line.path('key'), formatKeyFile(KEY.secret));
    writeFileSync(small, proseOf(1, 10_000));
    writeFileSync(large, randomBytes(4 * 1024 * 1024));
    const disk = line.path('disk');
    mkdirSync(disk);
    const everfull = `${CommandLine.words.join(' ')} -r '${disk}/repository' --key-file '${line.path('key')}'`;
    const script = `
      mount -t tmpfs -o size=8m everfull-test '${disk}'
      head -c 5M /dev/zero > '${disk}/filler'
      ${everfull} init
      ${everfull} backup '${small}'
      ${everfull} backup '${large}' && exit 99 || echo "ended with $?"
      ${everfull} check --read-data
      rm '${disk}/filler'
      ${everfull} backup '${large}'
      ${everfull} check --read-data
      ${everfull} restore latest --target '${line.path('restored')}'
      cmp '${large}' '${line.path('restored')}${large}'
      echo all is well`;
    const isRoot = process.getuid!() === 0;
    const ended = await line.spawn(['unshare', isRoot ? '-m' : '-rm', 'sh', '-ec', script]);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    assert.match(ended.stdout, /ended with 1\n.*no errors were found.*no errors were found.*all is well/s);
    assert.match(ended.stderr, /no space left on device/i);
    assert.match(ended.stderr, /^ {2}Free some space/m);
    assert.doesNotMatch(ended.stderr, /^ {4}at /m);
  });
});

/** Permissions bind root, too, without these capabilities. */
const BOUND = process.getuid!() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search'] : [];
