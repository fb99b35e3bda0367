import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import {
  AT_FDCWD,
  close,
  getInodeFlags,
  InodeFlag,
  mknodAt,
  O_RDWR,
  open,
  openFile,
  punchHole,
  removeXattr,
  S_IFCHR,
  S_IFIFO,
  setInodeFlags,
  setXattr,
  utimensAt,
} from '../src/os/mod.ts';
import { LivingTree } from './testing/living-tree.ts';
import { MappedFile } from './testing/mapped-file.ts';
import { IS_ROOT, writeSparse } from './testing/odd-tree.ts';

const MIB = 1024 * 1024;

/** Does something to a path and puts its modification time back, as some programs do. */
function keepingTime(path: string, change: () => void): void {
  const { mtimeNs } = lstatSync(path, { bigint: true });
  change();
  utimensAt(AT_FDCWD, path, Number(mtimeNs / 1_000_000_000n), Number(mtimeNs % 1_000_000_000n));
}

function overwrite(path: string, offset: number, bytes: string | Uint8Array): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from(bytes), 0, bytes.length, offset);
  closeSync(fd);
}

function withFile(path: string, use: (fd: number) => void): void {
  const fd = openFile(AT_FDCWD, path);
  try {
    use(fd);
  } finally {
    close(fd);
  }
}

function xattr(path: string, value: string): void {
  withFile(path, (fd) => setXattr(fd, { name: 'user.test', value: Buffer.from(value) }));
}

const FILES = ['content', 'mode', 'owner', 'xattr', 'acl', 'flags', 'time', 'longer', 'shorter', 'emptied'];

/** What the changes below begin with. Every file has something to lose. */
function make(at: (...names: string[]) => string): void {
  for (const name of FILES) writeFileSync(at(name), `the content of ${name}`);
  for (const name of ['one', 'two', 'over', 'mapped', 'renamed', 'deleted', 'becomes a folder'])
    writeFileSync(at(name), name.padEnd(8192, '.'));
  for (const name of ['over', 'one', 'two']) utimensAt(AT_FDCWD, at(name), 1_600_000_000, 5);
  writeFileSync(at('empty'), '');
  writeFileSync(at('zeros'), Buffer.alloc(MIB));
  writeFileSync(at('small zeros'), Buffer.alloc(64 * 1024));
  writeSparse(at('sparse'), 2 * MIB, [[MIB, 5000]]);
  for (const name of [
    'folder',
    'folder/within',
    'becomes a file',
    'goes',
    'goes/too',
    'groups',
    'groups/a',
    'groups/b',
  ])
    mkdirSync(at(name));
  for (const name of ['folder/file', 'folder/within/file', 'becomes a file/x', 'goes/too/file'])
    writeFileSync(at(name), name);
  symlinkSync('aaaa', at('symlink'));
  mknodAt(AT_FDCWD, at('fifo'), S_IFIFO | 0o600);
  if (IS_ROOT) mknodAt(AT_FDCWD, at('device'), S_IFCHR | 0o600, { major: 1, minor: 3 });
  writeFileSync(at('groups/a/first'), 'of the first group');
  linkSync(at('groups/a/first'), at('groups/b/second'));
}

type Change = (at: (...names: string[]) => string) => void;

const CHANGES: Readonly<Record<string, Change>> = {
  'a content of the same size, its time put back': (at) =>
    keepingTime(at('content'), () => overwrite(at('content'), 4, 'CONTENT')),
  'a mode': (at) => chmodSync(at('mode'), 0o600),
  'a set-uid bit': (at) => chmodSync(at('mode'), 0o4600),
  'a mode of a folder': (at) => chmodSync(at('folder/within'), 0o711),
  'an owner': (at) => chownSync(at('owner'), IS_ROOT ? 1234 : process.getuid!(), process.getgid!()),
  'a group': (at) => chownSync(at('folder'), process.getuid!(), IS_ROOT ? 4321 : process.getgid!()),
  'an xattr': (at) => xattr(at('xattr'), 'aaa'),
  'the value of an xattr': (at) => xattr(at('xattr'), 'bbb'),
  'an xattr that is gone': (at) => withFile(at('xattr'), (fd) => removeXattr(fd, 'user.test')),
  'an xattr of a folder': (at) => execFileSync('setfattr', ['-n', 'user.test', '-v', 'x', at('folder')]),
  'an ACL': (at) => execFileSync('setfacl', ['-m', 'u:12345:rw', at('acl')]),
  'another ACL': (at) => execFileSync('setfacl', ['-m', 'u:12345:r', at('acl')]),
  'a default ACL': (at) => execFileSync('setfacl', ['-d', '-m', 'u:12345:rw', at('folder')]),
  'an inode flag': (at) =>
    withFile(at('flags'), (fd) => setInodeFlags(fd, getInodeFlags(fd) | InodeFlag.NODUMP)),
  'a time alone': (at) => utimensAt(AT_FDCWD, at('time'), 1_000_000, 1),
  'a nanosecond': (at) => utimensAt(AT_FDCWD, at('time'), 1_000_000, 2),
  'a time of a folder': (at) => utimensAt(AT_FDCWD, at('folder/within'), -1, 7),
  'a time of a symlink': (at) => utimensAt(AT_FDCWD, at('symlink'), 5, 5),
  'an append': (at) => keepingTime(at('longer'), () => appendFileSync(at('longer'), ' and more')),
  'a truncation': (at) => keepingTime(at('shorter'), () => truncateSync(at('shorter'), 3)),
  'a file that is emptied': (at) => truncateSync(at('emptied'), 0),
  'an empty file that is filled': (at) => keepingTime(at('empty'), () => writeFileSync(at('empty'), 'x')),
  'a rename of a file': (at) => renameSync(at('renamed'), at('renamed to')),
  'a rename of a folder': (at) => renameSync(at('folder'), at('folder to')),
  'another inode of equal size and time': (at) => {
    writeFileSync(at('new'), 'another'.padEnd(8192, '.'));
    utimensAt(AT_FDCWD, at('new'), 1_600_000_000, 5);
    renameSync(at('new'), at('over'));
  },
  'two files that change names': (at) => {
    renameSync(at('one'), at('three'));
    renameSync(at('two'), at('one'));
    renameSync(at('three'), at('two'));
  },
  'a write through memory, its time put back': (at) =>
    keepingTime(at('mapped'), () => {
      using file = new MappedFile(at('mapped'), 8192);
      file.fill(0x41, 5000, 10);
    }),
  'a folder that becomes a file': (at) => {
    rmSync(at('becomes a file'), { recursive: true });
    writeFileSync(at('becomes a file'), 'a file');
  },
  'a file that becomes a folder': (at) => {
    rmSync(at('becomes a folder'));
    mkdirSync(at('becomes a folder'));
    writeFileSync(at('becomes a folder/y'), 'y');
  },
  'a file that becomes a symlink': (at) => {
    unlinkSync(at('longer'));
    symlinkSync('x', at('longer'));
  },
  'a symlink with another target': (at) => {
    const path = at('symlink');
    unlinkSync(path);
    symlinkSync('bbbb', path);
    utimensAt(AT_FDCWD, path, 5, 5);
  },
  'a symlink that becomes a file': (at) => {
    unlinkSync(at('symlink'));
    writeFileSync(at('symlink'), 'bbbb');
  },
  'a FIFO that becomes a file': (at) => {
    unlinkSync(at('fifo'));
    writeFileSync(at('fifo'), '');
  },
  'the number of a device': (at) => {
    if (!IS_ROOT) return;
    const path = at('device');
    keepingTime(path, () => {
      unlinkSync(path);
      mknodAt(AT_FDCWD, path, S_IFCHR | 0o600, { major: 1, minor: 5 });
    });
  },
  'a file that is deleted': (at) => unlinkSync(at('deleted')),
  'a folder that is deleted': (at) => rmSync(at('goes'), { recursive: true }),
  'a hard link that is added': (at) => linkSync(at('content'), at('linked')),
  'a hard link to a FIFO': (at) => {
    mknodAt(AT_FDCWD, at('fifo 1'), S_IFIFO | 0o600);
    linkSync(at('fifo 1'), at('fifo 2'));
  },
  'a write through another name': (at) =>
    keepingTime(at('linked'), () => overwrite(at('linked'), 4, 'by LIN')),
  'a name that comes before the others': (at) => linkSync(at('linked'), at('before')),
  'the first of several names that is gone': (at) => unlinkSync(at('before')),
  'a hard link that becomes a file of its own': (at) => {
    writeFileSync(at('own'), 'its own');
    renameSync(at('own'), at('linked'));
  },
  'a folder above the first name of a group that is renamed': (at) =>
    renameSync(at('groups/a'), at('groups/z')),
  'another group that takes the first name of one': (at) => {
    mkdirSync(at('groups/a'));
    writeFileSync(at('groups/a/first'), 'of another group');
    linkSync(at('groups/a/first'), at('groups/b/third'));
  },
  'a first name that moves out of the tree': (at) => {
    renameSync(at('groups/a'), `${at()} beside`);
    mkdirSync(at('groups/a'));
    writeFileSync(at('groups/a/first'), 'of a third group');
    linkSync(at('groups/a/first'), at('groups/fourth'));
  },
  'a hole where zeros were': (at) =>
    keepingTime(at('zeros'), () => withWritable(at('zeros'), (fd) => punchHole(fd, 64 * 1024, 128 * 1024))),
  'a hole in a small file of zeros': (at) =>
    keepingTime(at('small zeros'), () =>
      withWritable(at('small zeros'), (fd) => punchHole(fd, 0, 32 * 1024)),
    ),
  'zeros where a hole was': (at) =>
    keepingTime(at('sparse'), () => overwrite(at('sparse'), 0, Buffer.alloc(64 * 1024))),
  'a hole that is filled with data': (at) =>
    keepingTime(at('sparse'), () => overwrite(at('sparse'), 128 * 1024, randomBytes(4096))),
  'a sparse file that grows by a hole': (at) =>
    keepingTime(at('sparse'), () => truncateSync(at('sparse'), 3 * MIB)),
  'a folder that is emptied': (at) => {
    rmSync(at('becomes a folder/y'));
    rmdirSync(at('becomes a folder'));
    mkdirSync(at('becomes a folder'));
  },
};

function withWritable(path: string, use: (fd: number) => void): void {
  const fd = open(AT_FDCWD, path, O_RDWR);
  try {
    use(fd);
  } finally {
    close(fd);
  }
}

test('each change alone reaches the next image, whatever it leaves as it was', async (context) => {
  const tree = await LivingTree.make(context);
  const at = (...names: string[]) => tree.path(...names);
  make(at);
  await tree.assertHas((await tree.take()).image);
  for (const [name, change] of Object.entries(CHANGES)) {
    await context.test(name, async () => {
      change(at);
      await tree.assertHas((await tree.take()).image);
      const again = await tree.take();
      assert.deepEqual(again.captured, [], 'what did not change is not read again');
    });
  }
});
