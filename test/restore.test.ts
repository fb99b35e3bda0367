import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { byteStringFromText } from '../src/base/mod.ts';
import { geteuid } from '../src/os/mod.ts';
import { openFolderStore } from '../src/store/mod.ts';
import { root } from '../tools/project.ts';
import {
  backUp,
  contextOf,
  imagesOf,
  newRepository,
  openRepository,
  restoreAll,
} from './testing/repository-fixture.ts';

const PROGRAM = join(root, 'test/testing/restore-until-killed.ts');
const isRoot = geteuid() === 0;
/** Nobody, on every Linux. */
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

/** What every user may make. */
const TREE = String.raw`
mkdir -p a/b/c many 'sp ace' empty
printf text > a/text; chmod 640 a/text; touch -d '1931-02-03 04:05:06.123456789' a/text
printf '' > a/empty
ln a/text a/b/linked; ln a/text 'sp ace/linked'
ln -s ../nowhere a/symlink; ln -P a/symlink a/b/symlink2; touch -h -d '2001-01-01 00:00:00.5' a/symlink
mkfifo a/b/pipe; chmod 604 a/b/pipe
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("a/b/socket")'
setfattr -n user.note -v hello a/text; setfattr -n user.binary -v 0x00ff00 a/b
setfacl -m u:1:rw a/text; setfacl -d -m g:2:rx a/b
name=$(printf 'bad\377\nname'); printf odd > "$name"; printf odd > ./-dash; printf long > "$(printf '%0255d' 0)"
for i in $(seq 3000); do printf "content $i" > many/$i; done
head -c 9000000 /dev/urandom > long; truncate -s 10G long; printf end >> long
head -c 3000000 /dev/urandom > middling; chmod 4750 middling
truncate -s 1M holes; printf x | dd of=holes bs=1 seek=500000 conv=notrunc status=none
chmod 555 a/b/c; touch -d '2010-10-10 10:10:10.101010101' empty a/b a
`;

/** What takes root. */
const TREE_OF_ROOT = `
mknod a/null c 1 3; mknod a/block b 7 200; chmod 600 a/null
chown 1234:5678 a/empty; chown -h 12:34 a/symlink; chown 1:1 middling; chmod 6755 middling
printf capable > capable; setcap cap_net_raw+ep capable 2>/dev/null || true
setfattr -n trusted.note -v deep a/b/c
printf locked > locked; ln locked locked2; chattr +i locked 2>/dev/null || true
chattr +A empty 2>/dev/null || true
`;

function shell(script: string, cwd: string): string {
  return execFileSync('bash', ['-ec', script], { cwd, encoding: 'latin1', maxBuffer: 1 << 28 });
}

/** What others say of the difference of two trees: nothing, if they are equal. */
function difference(source: string, restored: string): string {
  const told = execFileSync(
    'rsync',
    ['-aHAXn', '--delete', '--itemize-changes', `${source}/`, `${restored}/`],
    { encoding: 'latin1' },
  );
  const content = execFileSync(
    'rsync',
    ['-an', '--checksum', '--exclude=/long', '--itemize-changes', `${source}/`, `${restored}/`],
    { encoding: 'latin1' },
  );
  const attributes = (folder: string) =>
    shell(
      'getfattr -R -h -d -m - . 2>/dev/null; getfacl -R -P . 2>/dev/null; lsattr -R . 2>/dev/null | sort; find . -type d -printf "%p %T@\n" -o -printf "%p %T@ %s %y\n" | sort',
      folder,
    );
  const [wanted, found] = [attributes(source), attributes(restored)].map(
    (text) => new Set(text!.split('\n')),
  );
  const missing = [...wanted!].filter((line) => !found!.has(line));
  const added = [...found!].filter((line) => !wanted!.has(line));
  return told + content + [...missing, ...added].join('\n');
}

describe('a restore of a real tree', () => {
  let folder: string;
  let source: string;
  let store: string;
  const restoredIn = (target: string) => join(target, source);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'everfull-real-'));
    chmodSync(folder, 0o777);
    source = join(folder, 'source');
    store = join(folder, 'store');
    mkdirSync(source);
    shell(TREE, source);
    if (isRoot) shell(TREE_OF_ROOT, source);
    const repository = await newRepository(
      await openFolderStore(byteStringFromText(store), { create: true }),
    );
    await backUp(contextOf(repository), [source]);
  });
  after(() => {
    if (isRoot) shell('chattr -R -i . 2>/dev/null || true', folder);
    else shell('chmod -R u+rwx .', folder);
    rmSync(folder, { recursive: true, force: true });
  });

  async function restoreTo(target: string) {
    const repository = await openRepository(store);
    const context = contextOf(repository);
    const image = (await imagesOf(repository)).at(-1)!;
    const summary = await restoreAll(context, image, target);
    return { summary, told: context.told, chunksRead: repository.frames.read.chunks };
  }

  test('is one in the eyes of rsync, getfattr, getfacl and lsattr, at first, again, and after changes', async () => {
    const target = join(folder, 'target');
    const first = await restoreTo(target);
    assert.deepEqual(first.told.problems, []);
    assert.equal(difference(source, restoredIn(target)), '');
    assert.ok(statSync(join(restoredIn(target), 'long')).blocks * 512 < 2 ** 25);

    const again = await restoreTo(target);
    // The short end of the long file shares a chunk with others: only that chunk tells whether it is right.
    assert.ok(again.chunksRead <= 1);
    assert.equal(again.summary.filesRestored, 0);
    assert.equal(difference(source, restoredIn(target)), '');

    shell(
      `chattr -i locked 2>/dev/null || true
      chmod 700 a/text; printf more >> a/b/linked; rm a/empty; mkdir a/empty; ln -sfn / 'sp ace/linked'
      printf x | dd of=long bs=1 seek=1000000 conv=notrunc status=none; truncate -s 20M holes; : > middling
      setfattr -n user.else -v x a; setfacl -b a/b; rm -r many/1*; rm a/b/pipe; mkfifo a/symlink3; mv a/symlink3 a/symlink`,
      restoredIn(target),
    );
    const mended = await restoreTo(target);
    assert.deepEqual(mended.told.problems, []);
    assert.equal(difference(source, restoredIn(target)), '');
  });

  test('goes on after kill -9, at whatever moment', () => {
    for (const entries of [1, 500, 2500, 3005]) {
      const target = join(folder, `killed ${entries}`);
      const run = (until: number) =>
        spawnSync(
          process.execPath,
          ['--disable-warning=ExperimentalWarning', PROGRAM, store, target, String(until)],
          { encoding: 'utf8' },
        );
      assert.equal(run(entries).signal, 'SIGKILL');
      const { status, stdout, stderr } = run(0);
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).filesFailed, 0);
      assert.equal(difference(source, restoredIn(target)), '');
    }
  });

  test('by a user restores what a user may, again and again', () => {
    const target = join(folder, 'as a user');
    mkdirSync(target);
    chmodSync(target, 0o777);
    if (isRoot) shell('chown -R 65534:65534 store', folder);
    const words = [process.execPath, '--disable-warning=ExperimentalWarning', PROGRAM, store, target, '0'];
    const [program, ...rest] = isRoot ? [...NOBODY, ...words] : words;
    for (let round = 0; round < 2; round++) {
      const { status, stdout, stderr } = spawnSync(program!, rest, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).filesFailed, 0);
      const content = execFileSync(
        'rsync',
        [
          '-rltHn',
          '--checksum',
          '--exclude=/long',
          '--info=nonreg0',
          '--itemize-changes',
          `${source}/`,
          `${restoredIn(target)}/`,
        ],
        { encoding: 'latin1' },
      );
      assert.equal(content, '');
      const middling = statSync(join(restoredIn(target), 'middling'));
      assert.equal(middling.uid, isRoot ? 65534 : geteuid());
      if (isRoot) assert.equal(middling.mode & 0o6000, 0);
      assert.ok(
        readFileSync(join(restoredIn(target), 'middling')).equals(readFileSync(join(source, 'middling'))),
      );
    }
  });
});
