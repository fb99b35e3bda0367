import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

function output(folder: string, program: string, ...words: string[]): string {
  return execFileSync(program, words, {
    cwd: folder,
    encoding: 'latin1',
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** What rsync would do to make `target` what `source` is; empty if it is already. */
export function rsyncDifferences(source: string, target: string, { checksum = true } = {}): string {
  const words = ['-aHAXn', '--delete', '--itemize-changes', ...(checksum ? ['--checksum'] : [])];
  return output('/', 'rsync', ...words, `${source}/`, `${target}/`);
}

/** One line an inode below a folder: type, mode, owner, time to the nanosecond, links, device; size unless a folder. */
export function statLines(folder: string): string[] {
  const common = '%P %y %m %U %G %T@ %n %l';
  const words = ['.', '-type', 'd', '-printf', `${common}\\0`, '-o', '-printf', `${common} %s\\0`];
  return output(folder, 'find', ...words)
    .split('\0')
    .sort();
}

/** Blocks of 512 bytes that each file below a folder takes. */
export function blocksOf(folder: string): Map<string, number> {
  const words = ['.', '-type', 'f', '-printf', '%b %P\\0'];
  const lines = output(folder, 'find', ...words)
    .split('\0')
    .slice(0, -1);
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), Number.parseInt(line, 10)]));
}

/** What getfattr and getfacl say of each path, in an order of their own. */
function paragraphs(text: string): string[] {
  return text.split('\n\n').sort();
}

/** The flags of each path, without those that say how the file system stores it: e, I. */
export function flagLines(folder: string): string[] {
  // It complains of what has no flags: symlinks, devices.
  const { stdout } = spawnSync('lsattr', ['-R', '-a', '.'], {
    cwd: folder,
    encoding: 'latin1',
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  const lines = stdout.split('\n').filter((line) => / \.\//.test(line) && !/\/\.\.?$/.test(line));
  return lines.map((line) => line.replace(/^\S+/, (flags) => flags.replaceAll(/[-eI]/g, ''))).sort();
}

/** A hole may end some blocks earlier or later, as a file system allots them. */
const BLOCKS_OFF_MAX = 128;

/** Fails unless programs of others find nothing by which two folders differ. */
export function assertSameTrees(source: string, target: string): void {
  assert.equal(rsyncDifferences(source, target), '', 'rsync');
  assert.deepEqual(statLines(target), statLines(source), 'find');
  const attributes = ['-d', '-m', '-', '-e', 'hex', '-h', '-R', '.'];
  assert.deepEqual(
    paragraphs(output(target, 'getfattr', ...attributes)),
    paragraphs(output(source, 'getfattr', ...attributes)),
    'getfattr',
  );
  const lists = ['-R', '-n', '-P', '.'];
  assert.deepEqual(
    paragraphs(output(target, 'getfacl', ...lists)),
    paragraphs(output(source, 'getfacl', ...lists)),
    'getfacl',
  );
  assert.deepEqual(flagLines(target), flagLines(source), 'lsattr');
  const wanted = blocksOf(source);
  for (const [path, blocks] of blocksOf(target)) {
    const off = Math.abs(blocks - wanted.get(path)!);
    assert.ok(off <= BLOCKS_OFF_MAX, `${path} takes ${blocks} blocks, not ${wanted.get(path)}`);
  }
}
