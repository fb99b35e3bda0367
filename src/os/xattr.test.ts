import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  AT_FDCWD,
  close,
  geteuid,
  openDirectory,
  openFile,
  removeXattr,
  removeXattrAt,
  setXattr,
  setXattrAt,
  type Xattr,
  xattrsAt,
  xattrsOfFd,
  xattrsOfPath,
} from './mod.ts';

/** An open folder, and a shell in it. */
function temporaryFolder() {
  const folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-xattr-'));
  const dirfd = openDirectory(AT_FDCWD, folder.path);
  return {
    path: folder.path,
    dirfd,
    shell: (script: string): string =>
      execFileSync('bash', ['-ec', script], { cwd: folder.path, encoding: 'latin1' }),
    [Symbol.dispose]: () => {
      close(dirfd);
      folder.remove();
    },
  };
}

/** As `getfattr -d -m - -e hex` prints them, without its heading. */
function inWordsOfTheJudge(xattrs: readonly Xattr[]): string {
  return xattrs.map(({ name, value }) => `${name}=0x${value.toString('hex')}\n`).join('');
}

const JUDGE = `getfattr -d -m - -e hex --absolute-names -h`;

test('attributes read by descriptor, by name and by path are those of getfattr, in order', () => {
  using folder = temporaryFolder();
  folder.shell(`
    echo x > $'fi\\xffle'
    setfattr -n user.zebra -v 'last' $'fi\\xffle'
    setfattr -n user.alpha -v 0x00ff00 $'fi\\xffle'
    setfattr -n user.large -v 0x$(head -c 2000 /dev/zero | od -An -v -tx1 | tr -d ' \\n') $'fi\\xffle'
    setfacl -m u:1234:rw,g:5678:r $'fi\\xffle'`);
  const fd = openFile(folder.dirfd, 'fi\xffle');
  const expected = folder.shell(`${JUDGE} $'fi\\xffle' | grep =`);
  assert.equal(inWordsOfTheJudge(xattrsOfFd(fd)), expected);
  assert.equal(inWordsOfTheJudge(xattrsAt(folder.dirfd, 'fi\xffle')), expected);
  assert.equal(inWordsOfTheJudge(xattrsOfPath(`${folder.path}/fi\xffle`)), expected);
  const names = ['system.posix_acl_access', 'user.alpha', 'user.large', 'user.zebra'];
  assert.deepEqual(
    xattrsOfFd(fd).map(({ name }) => name),
    names,
  );
  close(fd);
});

test('an empty value is a value', () => {
  using folder = temporaryFolder();
  folder.shell('touch file; setfattr -n user.empty file');
  assert.deepEqual(xattrsAt(folder.dirfd, 'file'), [{ name: 'user.empty', value: Buffer.alloc(0) }]);
});

test('all that has no attributes gives the same frozen list', () => {
  using folder = temporaryFolder();
  folder.shell('touch file; mkfifo fifo; ln -s file symlink');
  const none = xattrsAt(folder.dirfd, 'file');
  assert.equal(none.length, 0);
  assert.equal(Object.isFrozen(none), true);
  assert.equal(xattrsAt(folder.dirfd, 'fifo'), none);
  assert.equal(xattrsAt(folder.dirfd, 'symlink'), none);
  assert.equal(xattrsOfFd(folder.dirfd), none);
  assert.equal(xattrsOfPath('/proc/self/status'), none);
});

test('values that were read stay as they are when others are read', () => {
  using folder = temporaryFolder();
  folder.shell('touch a b; setfattr -n user.x -v first a; setfattr -n user.x -v other b');
  const first = xattrsAt(folder.dirfd, 'a');
  xattrsAt(folder.dirfd, 'b');
  assert.equal(first[0].value.toString(), 'first');
});

test('an attribute that comes and goes while it is read is there or not, and never a failure', async () => {
  using folder = temporaryFolder();
  folder.shell('touch file; setfattr -n user.steady -v x file');
  const meddler = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { removeXattrAt, setXattrAt } = await import(process.argv[1]);
       const flicker = { name: 'user.flicker', value: Buffer.from('x') };
       console.log('begun');
       for (;;) { setXattrAt(-100, process.argv[2], flicker); removeXattrAt(-100, process.argv[2], 'user.flicker'); }`,
      new URL('./mod.ts', import.meta.url).href,
      join(folder.path, 'file'),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(meddler.stdout, 'data');
  const seen = new Set<string>();
  for (let i = 0; i < 20_000; i++) {
    seen.add(
      xattrsAt(folder.dirfd, 'file')
        .map(({ name }) => name)
        .join(' '),
    );
  }
  meddler.kill();
  await once(meddler, 'exit');
  assert.deepEqual([...seen].sort(), ['user.flicker user.steady', 'user.steady']);
});

test('setXattr() and setXattrAt() set what getfattr reads, and replace', () => {
  using folder = temporaryFolder();
  folder.shell('touch file');
  const fd = openFile(folder.dirfd, 'file');
  setXattr(fd, { name: 'user.by-fd', value: Buffer.from('one') });
  setXattr(fd, { name: 'user.by-fd', value: Buffer.from([0, 255]) });
  setXattrAt(folder.dirfd, 'file', { name: 'user.by-name', value: Buffer.alloc(1000, 7) });
  setXattrAt(folder.dirfd, 'file', { name: 'user.odd \xff', value: Buffer.alloc(0) });
  assert.equal(folder.shell(`${JUDGE} -n user.by-fd file | grep =`), 'user.by-fd=0x00ff\n');
  assert.equal(
    folder.shell(`${JUDGE} -n user.by-name file | grep =`),
    `user.by-name=0x${'07'.repeat(1000)}\n`,
  );
  assert.equal(folder.shell(`${JUDGE} file | grep -c =`), '3\n');
  removeXattr(fd, 'user.by-fd');
  removeXattrAt(folder.dirfd, 'file', 'user.by-name');
  removeXattrAt(folder.dirfd, 'file', 'user.odd \xff');
  assert.equal(folder.shell(`${JUDGE} file`), '');
  removeXattr(fd, 'user.never-there');
  close(fd);
});

test('ACLs, default ones too, travel as attributes', () => {
  using folder = temporaryFolder();
  folder.shell('mkdir from to; setfacl -m u:1234:rwx,d:u:1234:rx,d:g:99:- from');
  for (const xattr of xattrsAt(folder.dirfd, 'from')) setXattrAt(folder.dirfd, 'to', xattr);
  const acl = (name: string): string => folder.shell(`getfacl --omit-header --numeric ${name}`);
  assert.equal(acl('to'), acl('from'));
  assert.match(acl('to'), /default:user:1234:r-x/);
});

test('attributes of a symlink itself are for root, and what it points to is left alone', () => {
  using folder = temporaryFolder();
  folder.shell('touch file; ln -s file symlink');
  const set = (): void =>
    setXattrAt(folder.dirfd, 'symlink', { name: 'trusted.note', value: Buffer.from('x') });
  if (geteuid() === 0) {
    set();
    assert.equal(folder.shell(`${JUDGE} symlink | grep =`), 'trusted.note=0x78\n');
    assert.equal(inWordsOfTheJudge(xattrsAt(folder.dirfd, 'symlink')), 'trusted.note=0x78\n');
  } else {
    assert.throws(set, { code: 'EPERM', path: 'symlink', syscall: 'setxattr trusted.note' });
  }
  assert.equal(folder.shell(`${JUDGE} file`), '');
});

test('xattrsOfPath() reads by a path of 6000 bytes', () => {
  using folder = temporaryFolder();
  folder.shell(`
    name=$(printf 'd%.0s' {1..200}); for i in {1..30}; do mkdir $name; cd $name; done
    touch bottom; setfattr -n user.deep -v yes bottom`);
  const path = `${folder.path}${`/${'d'.repeat(200)}`.repeat(30)}/bottom`;
  assert.deepEqual(xattrsOfPath(path), [{ name: 'user.deep', value: Buffer.from('yes') }]);
  folder.shell('rm -rf d*');
});

test('what is not there is ENOENT, and what is too large is refused', () => {
  using folder = temporaryFolder();
  folder.shell('touch file');
  assert.throws(() => xattrsAt(folder.dirfd, 'missing'), {
    code: 'ENOENT',
    path: 'missing',
    syscall: 'listxattr',
  });
  assert.throws(() => xattrsOfFd(-1), { code: 'EBADF' });
  const large = { name: 'user.large', value: Buffer.alloc(65537) };
  assert.throws(() => setXattrAt(folder.dirfd, 'file', large), { code: 'E2BIG' });
});
