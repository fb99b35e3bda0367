import { type BigIntStats, constants, type Dir } from 'node:fs';
import { type FileHandle, lstat, open, opendir, realpath } from 'node:fs/promises';
import { type ByteString, byteStringOf, bytesOf } from '../base/mod.ts';

export type FileStatus = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeMs' | 'isFile'>;

export interface FolderEntry {
  readonly name: ByteString;
  readonly isFolder: boolean;
  /** Whether it is known to be a regular file, without a look at it. */
  readonly isFile?: boolean;
}

/**
 * Every call with which a folder store looks at a file system, so that it can run on a modelled one.
 * Failures carry `code` as Node's do.
 */
export interface FileSystemReads {
  /** The path without symlinks on it. */
  realPath(path: ByteString): Promise<ByteString>;
  /** Of what is at the path, be it a symlink. */
  status(path: ByteString): Promise<FileStatus>;
  /** Opens a file to read it: no symlink, and without waiting for the other end of a FIFO. */
  open(path: ByteString): Promise<FileHandle>;
  /** What is in a folder, in bounded memory. */
  entries(folder: ByteString): AsyncIterable<FolderEntry>;
}

const ENTRIES_AT_ONCE = 512;

export const systemReads: FileSystemReads = {
  realPath: (path) => realpath(bytesOf(path), { encoding: 'latin1' }),
  status: (path) => lstat(bytesOf(path), { bigint: true }),
  open: (path) => {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    return open(bytesOf(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  },
  async *entries(folder) {
    // Names as Buffers, which the types do not know of: where the file system does not tell the type of
    // an entry, Node joins folder and name to ask for it, and refuses to join a Buffer and a string.
    const opened: Dir = await opendir(bytesOf(folder), {
      encoding: 'buffer' as BufferEncoding,
      bufferSize: ENTRIES_AT_ONCE,
    });
    for await (const entry of opened) {
      const name = byteStringOf(entry.name as unknown as Buffer);
      yield { name, isFolder: entry.isDirectory(), isFile: entry.isFile() };
    }
  },
};
