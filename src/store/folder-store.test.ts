import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { byteStringFromText } from '../base/mod.ts';
import { storeContract } from './contract.ts';
import {
  countingCalls,
  type FileSystemCallKind,
  type FileSystemCalls,
  systemCalls,
} from './file-system-calls.ts';
import { type FolderStore, openFolderStore } from './folder-store.ts';
import type { ListedObject } from './store.ts';

const WHOLE = [Buffer.alloc(100_000, 'a'), Buffer.alloc(5, 'b')];

storeContract('folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'everfull-store-'));
  return { store: await openFolderStore(folder), dispose: () => rm(folder, { recursive: true }) };
});

storeContract('folder without hard links', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'everfull-store-'));
  const store = await openFolderStore(folder, { calls: withoutHardLinks });
  return { store, dispose: () => rm(folder, { recursive: true }) };
});

describe('openFolderStore()', () => {
  test('makes the folder and those above it, for the owner alone', async (t) => {
    const folder = join(await temporaryFolder(t), 'a', 'b\u00e9');
    const store = await openFolderStore(byteStringFromText(folder), { create: true });
    await store.putIfAbsent('packs/00/a', WHOLE);
    assert.equal(store.location, folder);
    for (const made of [join(folder, '..'), folder, join(folder, 'packs'), join(folder, 'packs/00')]) {
      assert.equal((await stat(made)).mode & 0o777, 0o700);
    }
    assert.equal((await stat(join(folder, 'packs/00/a'))).mode & 0o777, 0o600);
    await openFolderStore(byteStringFromText(folder), { create: true });
  });

  test('says that a missing folder is missing, and makes nothing', async (t) => {
    const folder = join(await temporaryFolder(t), 'none');
    await assert.rejects(openFolderStore(folder), { code: 'object-missing', message: /does not exist/ });
    await assert.rejects(stat(folder), { code: 'ENOENT' });
  });

  test('refuses a path that is a file, or leads through one', async (t) => {
    const file = join(await temporaryFolder(t), 'file');
    await writeFile(file, '');
    for (const create of [false, true]) {
      for (const path of [file, join(file, 'below')]) {
        await assert.rejects(openFolderStore(path, { create }), { code: 'io', message: /not a directory/ });
      }
    }
  });

  test('removes temporary files of its own that are older than a day, and nothing else', async (t) => {
    const folder = await temporaryFolder(t);
    const yesterday = new Date(Date.now() - 25 * 60 * 60 * 1000);
    await mkdir(join(folder, 'tmp'));
    for (const name of ['everfull-old', 'stranger', 'everfull-new']) {
      await writeFile(join(folder, 'tmp', name), 'x');
      if (name !== 'everfull-new') await utimes(join(folder, 'tmp', name), yesterday, yesterday);
    }
    await openFolderStore(folder);
    assert.deepEqual((await readdir(join(folder, 'tmp'))).sort(), ['everfull-new', 'stranger']);
  });
});

describe('FolderStore', () => {
  test('reads from a folder that may not be written, and says so to a put', async (t) => {
    const folder = await temporaryFolder(t);
    await (await openFolderStore(folder)).putIfAbsent('packs/00/a', WHOLE);
    await asOrdinaryUser(t, folder);
    for (const inside of ['packs/00', 'packs', '.']) await chmod(join(folder, inside), 0o500);
    await chmod(join(folder, 'tmp'), 0o500);
    const store = await openFolderStore(folder);
    assert.ok(Buffer.concat(WHOLE).equals(await store.get('packs/00/a')));
    await assert.rejects(store.putIfAbsent('packs/00/b', WHOLE), {
      code: 'io',
      message: /permission denied/,
    });
    await assert.rejects(store.delete('packs/00/a'), { code: 'io', message: /permission denied/ });
    for (const inside of ['.', 'tmp', 'packs', 'packs/00']) await chmod(join(folder, inside), 0o700);
  });

  test('does not take a refused read for a missing object', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFolderStore(folder);
    await store.putIfAbsent('keys/a', WHOLE);
    await asOrdinaryUser(t, folder);
    await chmod(join(folder, 'keys'), 0);
    await assert.rejects(store.get('keys/a'), { code: 'io' });
    await assert.rejects(store.size('keys/a'), { code: 'io' });
    await assert.rejects(firstOf(store, ''), { code: 'io' });
    await chmod(join(folder, 'keys'), 0o700);
  });

  test('says that its folder is gone, not that objects are missing, when the disk was unmounted', async (t) => {
    const folder = join(await temporaryFolder(t), 'mounted');
    const store = await openFolderStore(folder, { create: true });
    await store.putIfAbsent('packs/00/a', WHOLE);
    await rename(folder, `${folder}.away`);
    const gone = { code: 'io', message: /it is gone/ };
    await rejectsEverywhere(gone);
    await mkdir(folder);
    await rejectsEverywhere({ code: 'io', message: /another folder is in its place/ });
    assert.deepEqual(await readdir(folder), []);

    async function rejectsEverywhere(expected: object) {
      await assert.rejects(store.get('packs/00/a'), expected);
      await assert.rejects(store.size('packs/00/a'), expected);
      await assert.rejects(store.delete('packs/00/a'), expected);
      await assert.rejects(firstOf(store, 'packs/'), expected);
      await assert.rejects(firstOf(store, ''), expected);
      await assert.rejects(store.putIfAbsent('packs/00/b', WHOLE), expected);
      await assert.rejects(store.putIfAbsent('keys/b', WHOLE), expected);
      await assert.rejects(store.replace('keys/b', WHOLE), expected);
    }
  });

  test('refuses links, folders and FIFOs in place of an object, and does not list them', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFolderStore(folder);
    await store.putIfAbsent('keys/real', WHOLE);
    await symlink('real', join(folder, 'keys/link'));
    await symlink('keys', join(folder, 'linked'));
    execFileSync('mkfifo', [join(folder, 'keys/fifo')]);
    for (const name of ['keys/link', 'keys/fifo', 'keys']) {
      await assert.rejects(store.get(name), { code: 'io' }, name);
      await assert.rejects(store.size(name), { code: 'io' }, name);
    }
    await writeFile(join(folder, '.DS_Store'), 'stranger');
    const listed: string[] = [];
    for await (const { name } of store.list('')) listed.push(name);
    assert.deepEqual(listed, ['keys/real']);
  });

  test('works in a folder whose name is not UTF-8', async (t) => {
    const root = `${await temporaryFolder(t)}/\xff\xfe`;
    const store = await openFolderStore(root, { create: true });
    await store.putIfAbsent('packs/00/a', WHOLE);
    assert.ok(Buffer.concat(WHOLE).equals(await store.get('packs/00/a')));
    assert.deepEqual(await firstOf(store, ''), { name: 'packs/00/a', size: 100_005 });
    assert.equal(store.root, root);
  });

  test('goes on after short writes', async (t) => {
    const short: FileSystemCalls = {
      ...systemCalls,
      write: async (handle, parts) => {
        const { buffer, byteOffset, length } = parts[0];
        const some = new Uint8Array(buffer, byteOffset, Math.min(length, 7_777));
        return (await handle.write(some)).bytesWritten;
      },
    };
    const store = await openFolderStore(await temporaryFolder(t), { calls: short });
    await store.putIfAbsent('a', WHOLE);
    assert.ok(Buffer.concat(WHOLE).equals(await store.get('a')));
  });

  test('takes a link for its own when only the answer was lost', async (t) => {
    const lost: FileSystemCalls = {
      ...systemCalls,
      async link(from, to) {
        await systemCalls.link(from, to);
        throw systemError('EEXIST');
      },
    };
    const store = await openFolderStore(await temporaryFolder(t), { calls: lost });
    await store.putIfAbsent('a', WHOLE);
    await assert.rejects(store.putIfAbsent('a', WHOLE), { code: 'object-exists' });
  });

  test('says that an object exists that was deleted before it could be looked at', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFolderStore(folder, {
      calls: {
        ...systemCalls,
        async link(from, to) {
          await systemCalls.link(from, to).finally(() => systemCalls.unlink(to));
        },
      },
    });
    await (await openFolderStore(folder)).putIfAbsent('a', WHOLE);
    await assert.rejects(store.putIfAbsent('a', WHOLE), { code: 'object-exists' });
  });

  test('fsyncs the file before it gets its name, and the folders before the put resolves', async (t) => {
    const folder = await temporaryFolder(t);
    const seen: string[] = [];
    const calls = countingCalls(systemCalls, {
      onCall: (_, kind, path) =>
        void seen.push(`${kind} ${path.slice(folder.length).replace(/everfull-.*/, '*')}`),
    });
    const store = await openFolderStore(folder, { calls });
    await store.putIfAbsent('packs/3f/a', WHOLE);
    const write = ['create /tmp/*', 'write /tmp/*', 'sync /tmp/*'];
    const folders = ['makeFolder /tmp', 'syncFolder ', 'makeFolder /packs', 'syncFolder '];
    folders.push('makeFolder /packs/3f', 'syncFolder /packs');
    assert.deepEqual(seen.splice(0), [
      ...folders,
      ...write,
      'link /packs/3f/a',
      'unlink /tmp/*',
      'syncFolder /packs/3f',
    ]);
    await store.replace('packs/3f/b', WHOLE);
    assert.deepEqual(seen.splice(0), [...write, 'rename /packs/3f/b', 'syncFolder /packs/3f']);
    await assert.rejects(store.putIfAbsent('packs/3f/a', []), { code: 'object-exists' });
    const refused = [
      'create /tmp/*',
      'sync /tmp/*',
      'link /packs/3f/a',
      'unlink /tmp/*',
      'syncFolder /packs/3f',
    ];
    assert.deepEqual(seen.splice(0), refused);
    const again = await openFolderStore(folder, { calls });
    await again.putIfAbsent('packs/3f/c', WHOLE);
    assert.deepEqual(seen.slice(0, 6), folders);
  });
});

describe('FolderStore.deleteDurably()', () => {
  test('removes all objects, then fsyncs each of their folders once', async (t) => {
    const folder = await temporaryFolder(t);
    const names = ['packs/3f/a', 'packs/3f/b', 'packs/40/c', 'config'];
    for (const name of names) await (await openFolderStore(folder)).putIfAbsent(name, WHOLE);
    const seen: string[] = [];
    const calls = countingCalls(systemCalls, {
      onCall: (_, kind, path) => void seen.push(`${kind} ${path.slice(folder.length)}`),
    });
    await (await openFolderStore(folder, { calls })).deleteDurably(names);
    assert.deepEqual(seen, [
      ...names.map((name) => `unlink /${name}`),
      'syncFolder /packs/3f',
      'syncFolder /packs/40',
      'syncFolder ',
    ]);
  });

  test('fsyncs the folder of an object that is gone already, but for one that never was', async (t) => {
    const folder = await temporaryFolder(t);
    const synced: string[] = [];
    const calls = countingCalls(systemCalls, {
      onCall: (_, kind, path) => void (kind === 'syncFolder' && synced.push(path.slice(folder.length))),
    });
    const store = await openFolderStore(folder, { calls });
    await store.putIfAbsent('packs/3f/a', WHOLE);
    await store.delete('packs/3f/a');
    synced.length = 0;
    await store.deleteDurably(['packs/3f/a', 'packs/40/b']);
    assert.deepEqual(synced, ['/packs/3f']);
  });

  test('rejects where an fsync fails, and says of nothing in that folder again that it is gone', async (t) => {
    let syncs = 0;
    const calls = countingCalls(systemCalls, {
      onCall(_, kind, path) {
        if (kind === 'syncFolder' && path.endsWith('/keys') && ++syncs === 2) throw systemError('EIO');
      },
    });
    const store = await openFolderStore(await temporaryFolder(t), { calls });
    await store.putIfAbsent('keys/a', WHOLE);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await assert.rejects(store.deleteDurably(['keys/a']), { code: 'io' });
    }
    await assert.rejects(store.putIfAbsent('keys/b', WHOLE), { code: 'io' });
    assert.equal(syncs, 2);
    await store.deleteDurably(['packs/00/a']);
  });

  test('says that its folder is gone when the disk was unmounted', async (t) => {
    const folder = join(await temporaryFolder(t), 'mounted');
    const store = await openFolderStore(folder, { create: true });
    await store.putIfAbsent('packs/00/a', WHOLE);
    await rename(folder, `${folder}.away`);
    await assert.rejects(store.deleteDurably(['packs/00/a']), { code: 'io', message: /it is gone/ });
  });
});

describe('a FolderStore whose calls fail', () => {
  for (const [errno, code] of [
    ['EIO', 'io'],
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
  ] as const) {
    for (const verb of ['putIfAbsent', 'replace'] as const) {
      test(`${verb} with ${errno} at any call shows no part of an object and works afterwards`, async (t) => {
        const kinds: FileSystemCallKind[] = [];
        for (let at = 1; ; at += 1) {
          const folder = await temporaryFolder(t);
          let failed: FileSystemCallKind | undefined;
          const calls = countingCalls(systemCalls, {
            onCall(number, kind) {
              if (number !== at) return;
              failed = kind;
              throw systemError(errno);
            },
          });
          const store = await openFolderStore(folder, { calls });
          const outcome = await store[verb]('packs/3f/a', WHOLE).then(
            () => undefined,
            (error: unknown) => error as { code: string },
          );
          if (failed === undefined) break;
          kinds.push(failed);
          // The put is done when its temporary file is all that could not be removed.
          assert.equal(outcome?.code, failed === 'unlink' ? undefined : code, `${failed}, call ${at}`);
          for await (const { name, size } of store.list('')) {
            assert.deepEqual({ name, size }, { name: 'packs/3f/a', size: 100_005 });
          }
          if (failed !== 'unlink') assert.deepEqual(await temporaryFiles(folder), []);
          const later = await openFolderStore(folder);
          await later.delete('packs/3f/a');
          await later[verb]('packs/3f/a', WHOLE);
          assert.ok(Buffer.concat(WHOLE).equals(await later.get('packs/3f/a')));
        }
        assert.equal(kinds.length, verb === 'putIfAbsent' ? 12 : 11);
      });
    }
  }

  test('writes a file anew, and does not fsync it again, after its fsync failed', async (t) => {
    const synced: string[] = [];
    const calls = countingCalls(systemCalls, {
      onCall(_, kind, path) {
        if (kind !== 'sync') return;
        synced.push(path);
        if (synced.length === 1) throw systemError('EIO');
      },
    });
    const store = await openFolderStore(await temporaryFolder(t), { calls });
    await assert.rejects(store.putIfAbsent('a', WHOLE), {
      code: 'io',
      context: { errno: 'EIO', transient: false },
    });
    await store.putIfAbsent('a', WHOLE);
    assert.equal(new Set(synced).size, 2);
  });

  test('takes no more puts into a folder whose fsync failed, and calls none of its objects durable', async (t) => {
    let syncs = 0;
    const calls = countingCalls(systemCalls, {
      onCall(_, kind, path) {
        if (kind === 'syncFolder' && path.endsWith('/keys') && ++syncs === 1) throw systemError('EIO');
      },
    });
    const store = await openFolderStore(await temporaryFolder(t), { calls });
    await assert.rejects(store.putIfAbsent('keys/a', WHOLE), { code: 'io' });
    await assert.rejects(store.putIfAbsent('keys/a', WHOLE), { code: 'io' });
    await assert.rejects(store.putIfAbsent('keys/b', WHOLE), { code: 'io' });
    assert.equal(syncs, 1);
    await store.putIfAbsent('packs/00/a', WHOLE);
  });

  test('gives advice when the disk is full', async (t) => {
    const calls = countingCalls(systemCalls, {
      onCall(_, kind) {
        if (kind === 'write') throw systemError('ENOSPC');
      },
    });
    const store = await openFolderStore(await temporaryFolder(t), { calls });
    await assert.rejects(store.putIfAbsent('a', WHOLE), {
      code: 'disk-full',
      message: `cannot put object "a" in "${store.location}": no space left on device (ENOSPC)`,
      advice: /Free some space/,
    });
  });
});

const withoutHardLinks: FileSystemCalls = {
  ...systemCalls,
  link: () => Promise.reject(systemError('EPERM')),
};

function systemError(code: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EEXIST' | 'EPERM'): Error {
  const errno = { EIO: -5, ENOSPC: -28, EDQUOT: -122, EEXIST: -17, EPERM: -1 }[code];
  return Object.assign(new Error(code), { code, errno });
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'everfull-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function temporaryFiles(folder: string): Promise<string[]> {
  try {
    return await readdir(join(folder, 'tmp'));
  } catch (error) {
    assert.equal((error as { code: string }).code, 'ENOENT');
    return [];
  }
}

async function firstOf(store: FolderStore, prefix: string): Promise<ListedObject | undefined> {
  for await (const object of store.list(prefix)) return object;
  return undefined;
}

/** Modes stop anyone but root: the rest of the test runs as the user nobody, who gets all of `folder`. */
async function asOrdinaryUser(t: TestContext, folder: string): Promise<void> {
  if (process.geteuid!() !== 0) return;
  execFileSync('chown', ['-R', '65534', folder]);
  process.seteuid!(65534);
  t.after(() => process.seteuid!(0));
}
