import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { byteStringOf, bytesOf } from '../../src/base/mod.ts';

/** What is below `folder`, one line an entry: path, type, mode, links, size, time, and SHA-256 or target. Sorted. */
export function linesOf(folder: string): string[] {
  const lines: string[] = [];
  const visit = (path: string, name: string) => {
    const status = lstatSync(bytesOf(path));
    const type = status.isDirectory() ? 'folder' : status.isSymbolicLink() ? 'symlink' : 'file';
    const content =
      type === 'file'
        ? createHash('sha256')
            .update(readFileSync(bytesOf(path)))
            .digest('hex')
        : type === 'symlink'
          ? readlinkSync(bytesOf(path), { encoding: 'latin1' })
          : '';
    const { mode, nlink, size, mtimeMs } = status;
    const numbers = [
      (mode & 0o7777).toString(8),
      type === 'file' ? nlink : '',
      type === 'file' ? size : '',
      mtimeMs,
    ];
    lines.push([JSON.stringify(name), type, ...numbers, content].join(' '));
    if (type !== 'folder') return;
    for (const child of readdirSync(bytesOf(path), { encoding: 'buffer' }).map(byteStringOf))
      visit(`${path}/${child}`, `${name}/${child}`);
  };
  visit(folder, '');
  return lines.sort();
}
