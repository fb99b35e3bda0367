import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ByteString, bytesOf } from '../../base/mod.ts';
import { type Entry, EntryType } from '../../format/mod.ts';

/** What a tree looks like: a line for each path, with everything that a backup must bring back. */
export type Snapshot = ReadonlyMap<ByteString, string>;

/** What is to come back of an entry whose content has this length and hash. */
export function lineOf(entry: Entry, length: number, sha256: string): string {
  const { type, mode, uid, gid, mtimeSeconds, mtimeNanoseconds, target, linkGroup } = entry;
  const mtime = BigInt(mtimeSeconds) * 1_000_000_000n + BigInt(mtimeNanoseconds);
  const content = type === EntryType.file ? `${length} ${sha256}` : (target ?? '');
  return [type, mode.toString(8), uid, gid, mtime, linkGroup ?? '-', content].join(' ');
}

/** What the file system says of a tree now. */
export function snapshotOfTree(root: ByteString): Snapshot {
  const lines = new Map<ByteString, string>();
  const inodes = new Map<bigint, ByteString>();
  const add = (path: ByteString) => {
    const name = bytesOf(path);
    const stat = lstatSync(name, { bigint: true });
    const isFile = stat.isFile();
    const linkGroup = !stat.isDirectory() && stat.nlink > 1n ? (inodes.get(stat.ino) ?? path) : undefined;
    if (linkGroup === path) inodes.set(stat.ino, path);
    const bytes = isFile ? readFileSync(name) : Buffer.alloc(0);
    const seconds = stat.mtimeNs / 1_000_000_000n;
    const type = isFile
      ? EntryType.file
      : stat.isDirectory()
        ? EntryType.folder
        : stat.isFIFO()
          ? EntryType.fifo
          : EntryType.symlink;
    lines.set(
      path,
      lineOf(
        {
          type,
          mode: Number(stat.mode) & 0o7777,
          uid: Number(stat.uid),
          gid: Number(stat.gid),
          mtimeSeconds: Number(seconds),
          mtimeNanoseconds: Number(stat.mtimeNs - seconds * 1_000_000_000n),
          target: type === EntryType.symlink ? readlinkSync(name, 'latin1') : undefined,
          linkGroup,
        } as Entry,
        bytes.length,
        createHash('sha256').update(bytes).digest('hex'),
      ),
    );
    if (!stat.isDirectory()) return;
    const names = readdirSync(name, { encoding: 'latin1' }).sort();
    const isFolder = (child: string) => lstatSync(bytesOf(`${path}/${child}`)).isDirectory();
    // In key order, since the first path of a hard link names its group.
    for (const child of names) if (!isFolder(child)) add(`${path}/${child}`);
    for (const child of names) if (isFolder(child)) add(`${path}/${child}`);
  };
  add(root);
  return lines;
}
