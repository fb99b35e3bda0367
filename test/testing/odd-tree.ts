import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {
  AT_FDCWD,
  close,
  mkdirAt,
  mknodAt,
  openDirectory,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
  symlinkAt,
  utimensAt,
} from '../../src/os/mod.ts';

/** Whether whoever runs this may make what only root may. */
export const IS_ROOT: boolean = process.getuid!() === 0;

const KIB = 1024;
const MIB = 1024 * KIB;

/** Names that programs stumble over, as bytes in latin1. */
export const ODD_NAMES: readonly string[] = [
  'n'.repeat(255),
  '\xff'.repeat(255),
  'not \xfe UTF-8 \x80',
  '\xc3\xa9 composed',
  'e\xcc\x81 decomposed',
  'line\nfeed',
  'carriage\rreturn\ttab',
  '-rf',
  '--delete',
  ' blanks ',
  'back\\slash',
  `quote'"\``,
  '*?[a]',
  '$HOME',
  '~',
  '#',
  '...',
  '.hidden',
  '\x01\x1b[31m\x7f',
  '@',
  ':colon',
];

function bytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

function run(program: string, ...words: string[]): void {
  execFileSync(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A file of `size` bytes that has data only at `islands`, in pairs of offset and length. */
export function writeSparse(path: string, size: number, islands: readonly [number, number][]): void {
  writeFileSync(path, '');
  truncateSync(path, size);
  const fd = openSync(path, 'r+');
  for (const [offset, length] of islands) writeSync(fd, randomBytes(length), 0, length, offset);
  closeSync(fd);
}

function setTime(path: string, seconds: number, nanoseconds: number): void {
  utimensAt(AT_FDCWD, bytes(path).toString('latin1'), seconds, nanoseconds);
}

/**
 * A tree with every kind of inode and attribute that whoever runs this may make: as root devices,
 * owners, capabilities, flags and the attributes of the system as well.
 *
 * @param options.entries how many files its largest folder has
 */
export function makeOddTree(root: string, { entries = 100 } = {}): void {
  mkdirSync(root);
  const folder = (name: string): string => {
    mkdirSync(`${root}/${name}`, { recursive: true });
    return `${root}/${name}`;
  };
  makeSizes(folder('sizes'), folder('more/sizes'));
  makeNames(folder('names'));
  makeTypes(folder('types'));
  makeSparse(folder('sparse'));
  makeLinks(root, folder);
  makeAttributes(folder('attributes'));
  makeModes(folder('modes'));
  const many = folder('many');
  for (let i = 0; i < entries; i++) writeFileSync(`${many}/${i}`, i % 4 === 0 ? `${i}` : '');
  makeTimes(folder('times'));
  for (const [i, name] of ['empty', 'empty/of', 'empty/of/all', '.'].reverse().entries())
    setTime(folder(name), 1_000_000_000 + i, 123_456_789 * i);
  if (IS_ROOT) makeFlags(folder('flags'));
}

function makeSizes(first: string, second: string): void {
  for (const size of [0, 1, 511 * KIB, 512 * KIB - 1, 512 * KIB, 513 * KIB, MIB, 5 * MIB]) {
    const content = randomBytes(size);
    writeFileSync(`${first}/${size}`, content);
    writeFileSync(`${second}/copy of ${size}`, content);
  }
  writeFileSync(`${first}/text`, 'a line that comes again and again\n'.repeat(50_000));
}

function makeNames(folder: string): void {
  for (const name of ODD_NAMES) {
    const path = `${folder}/${name}`;
    writeFileSync(bytes(path), bytes(name));
    if (name.length > 200) continue;
    mkdirSync(bytes(`${path} folder`));
    writeFileSync(bytes(`${path} folder/${name}`), 'within');
    symlinkSync(bytes(name), bytes(`${path} link`));
  }
}

function makeTypes(folder: string): void {
  writeFileSync(`${folder}/file`, 'a file');
  symlinkSync('file', `${folder}/symlink`);
  symlinkSync('nothing there', `${folder}/dangling`);
  symlinkSync('..', `${folder}/to a folder`);
  symlinkAt('/x'.repeat(2000), AT_FDCWD, `${folder}/long target`);
  mknodAt(AT_FDCWD, `${folder}/fifo`, S_IFIFO | 0o620, { major: 0, minor: 0 });
  mknodAt(AT_FDCWD, `${folder}/socket`, S_IFSOCK | 0o751, { major: 0, minor: 0 });
  if (IS_ROOT) {
    mknodAt(AT_FDCWD, `${folder}/null`, S_IFCHR | 0o666, { major: 1, minor: 3 });
    mknodAt(AT_FDCWD, `${folder}/large numbers`, S_IFCHR | 0o600, { major: 4095, minor: 1_048_575 });
    mknodAt(AT_FDCWD, `${folder}/block`, S_IFBLK | 0o640, { major: 7, minor: 300 });
    chownSync(`${folder}/block`, 0, 6);
  }
  for (const name of ['symlink', 'fifo', 'socket']) setTime(`${folder}/${name}`, -1, 999_999_999);
}

function makeSparse(folder: string): void {
  writeSparse(`${folder}/islands`, 64 * MIB, [
    [0, 5000],
    [9 * MIB, MIB],
    [9 * MIB + 64 * KIB * 40, 4096],
    [63 * MIB, MIB],
  ]);
  writeSparse(`${folder}/leading hole`, 8 * MIB, [[7 * MIB, MIB]]);
  writeSparse(`${folder}/trailing hole`, 8 * MIB, [[0, MIB]]);
  writeSparse(`${folder}/all hole`, 32 * MIB, []);
  writeSparse(`${folder}/small`, 64 * KIB, [[20 * KIB, 100]]);
  writeSparse(`${folder}/small all hole`, 64 * KIB, []);
  writeSparse(`${folder}/last byte`, 40 * KIB + 1, [[40 * KIB, 1]]);
  writeFileSync(`${folder}/dense zeros`, Buffer.alloc(2 * MIB));
  writeFileSync(`${folder}/small dense zeros`, Buffer.alloc(64 * KIB));
}

function makeLinks(root: string, folder: (name: string) => string): void {
  for (const name of ['links/a', 'links/b', 'links/b/c']) folder(name);
  const links = `${root}/links`;
  writeFileSync(`${links}/a/file`, 'one inode, three names');
  writeFileSync(`${links}/a/long`, randomBytes(600 * KIB));
  symlinkSync('file', `${links}/a/symlink`);
  mknodAt(AT_FDCWD, `${links}/a/fifo`, S_IFIFO | 0o600, { major: 0, minor: 0 });
  writeFileSync(`${links}/a/empty`, '');
  for (const name of ['file', 'long', 'symlink', 'fifo', 'empty']) {
    linkSync(`${links}/a/${name}`, `${links}/b/other ${name}`);
    linkSync(`${links}/a/${name}`, `${links}/b/c/${name}`);
  }
  linkSync(`${links}/a/file`, `${links}/beside`);
}

function makeAttributes(folder: string): void {
  for (const name of ['file', 'acl', 'mask']) writeFileSync(`${folder}/${name}`, name);
  mkdirSync(`${folder}/default`);
  mkdirSync(`${folder}/marked`);
  run('setfattr', '-n', 'user.text', '-v', 'some text', `${folder}/file`);
  run('setfattr', '-n', 'user.empty', `${folder}/file`);
  run('setfattr', '-n', 'user.binary', '-v', '0x00ff0a0d00', `${folder}/file`);
  run('setfattr', '-n', 'user.large', '-v', `0x${'ab'.repeat(1500)}`, `${folder}/marked`);
  run('setfacl', '-m', 'u:12345:rwx,g:54321:r', `${folder}/acl`);
  run('setfacl', '-m', 'u:12345:rwx,m::r', `${folder}/mask`);
  run('setfacl', '-d', '-m', 'u:12345:rx,g::r,o::-', `${folder}/default`);
  writeFileSync(`${folder}/default/heir`, 'takes the default of its folder');
  mkdirSync(`${folder}/default/folder`);
  if (IS_ROOT) {
    symlinkSync('file', `${folder}/symlink`);
    run('setfattr', '-h', '-n', 'trusted.link', '-v', 'of a link', `${folder}/symlink`);
    run('setfattr', '-n', 'trusted.test', '-v', 'trusted', `${folder}/file`);
    run('setfattr', '-n', 'security.test', '-v', 'security', `${folder}/marked`);
    writeFileSync(`${folder}/capable`, 'a program');
    chownSync(`${folder}/capable`, 12, 34);
    chmodSync(`${folder}/capable`, 0o755);
    run('setcap', 'cap_net_raw,cap_chown+ep', `${folder}/capable`);
    mknodAt(AT_FDCWD, `${folder}/null`, S_IFCHR | 0o640, { major: 1, minor: 3 });
    run('setfacl', '-m', 'u:12345:rw', `${folder}/null`);
  }
}

function makeModes(folder: string): void {
  const modes = [0o0000, 0o0200, 0o0444, 0o0644, 0o1777, 0o4755, 0o2755, 0o6711, 0o7777];
  for (const mode of modes) {
    const name = mode.toString(8).padStart(4, '0');
    if (IS_ROOT || mode & 0o400) writeFileSync(`${folder}/file ${name}`, name);
    mkdirSync(`${folder}/folder ${name}`);
    if (IS_ROOT || (mode & 0o500) === 0o500) writeFileSync(`${folder}/folder ${name}/within`, name);
    if (IS_ROOT) {
      chownSync(`${folder}/file ${name}`, 1000 + mode, 2000 + mode);
      chownSync(`${folder}/folder ${name}`, 4_000_000_000, 65_534);
    }
    if (IS_ROOT || mode & 0o400) chmodSync(`${folder}/file ${name}`, mode);
    if (IS_ROOT || (mode & 0o500) === 0o500) chmodSync(`${folder}/folder ${name}`, mode);
  }
  mkdirSync(`${folder}/read-only/below`, { recursive: true });
  writeFileSync(`${folder}/read-only/below/file`, 'in a folder that may not be written to');
  chmodSync(`${folder}/read-only/below`, 0o555);
  chmodSync(`${folder}/read-only`, 0o555);
}

function makeTimes(folder: string): void {
  const times: readonly [string, number, number][] = [
    ['begin', 0, 0],
    ['nanosecond', 1_700_000_000, 1],
    ['all digits', 1_234_567_890, 123_456_789],
    ['before', -2, 500_000_000],
    ['just before', -1, 999_999_999],
    ['long ago', -2_000_000_000, 1],
    ['far ahead', 9_000_000_000, 999_999_999],
  ];
  for (const [name, seconds, nanoseconds] of times) {
    writeFileSync(`${folder}/${name}`, name);
    mkdirSync(`${folder}/${name} folder`);
    symlinkSync(name, `${folder}/${name} link`);
    for (const end of ['', ' folder', ' link']) setTime(`${folder}/${name}${end}`, seconds, nanoseconds);
  }
}

/** Flags of chattr that most file systems know; {@link emptyFolder} takes back those that forbid removal. */
function makeFlags(folder: string): void {
  const flags = { nodump: 'd', noatime: 'A', sync: 'S', immutable: 'i', append: 'a', both: 'dA' };
  for (const [name, letters] of Object.entries(flags)) {
    writeFileSync(`${folder}/${name}`, name);
    mkdirSync(`${folder}/${name} folder`);
    writeFileSync(`${folder}/${name} folder/within`, name);
    for (const path of [`${folder}/${name}`, `${folder}/${name} folder`]) run('chattr', `+${letters}`, path);
  }
  writeFileSync(`${folder}/linked`, 'immutable by two names');
  linkSync(`${folder}/linked`, `${folder}/linked too`);
  run('chattr', '+i', `${folder}/linked`);
}

/** Empties a folder, whatever flags, modes and depths are in it. */
export function emptyFolder(folder: string): void {
  const unlock = IS_ROOT ? 'chattr -R -f -ia "$1"' : 'chmod -R u+rwx "$1"';
  execFileSync('sh', ['-c', `${unlock}; find "$1" -mindepth 1 -delete`, 'sh', folder], { stdio: 'ignore' });
}

/** Folders in folders until the path is longer than `length` bytes, and at the end a file and a symlink. */
export function makeDeepTree(root: string, length: number): void {
  mkdirSync(root);
  let folder = openDirectory(AT_FDCWD, root);
  for (let depth = 0; depth * 200 < length; depth++) {
    const name = `${depth} `.padEnd(199, 'deep ');
    mkdirAt(folder, name, 0o755);
    const next = openDirectory(folder, name);
    close(folder);
    folder = next;
  }
  const here = `/proc/self/fd/${folder}`;
  writeFileSync(`${here}/file`, 'at the bottom');
  writeFileSync(`${here}/long`, randomBytes(600 * KIB));
  writeSparse(`${here}/sparse`, MIB, [[512 * KIB, 10]]);
  symlinkSync('file', `${here}/symlink`);
  linkSync(`${here}/file`, `${here}/hard link`);
  mkdirSync(`${here}/empty`);
  utimensAt(folder, 'empty', -5, 5);
  close(folder);
}
