import { type ByteString, EverfullError, errnoOf, hexOf } from '../base/mod.ts';
import { openFrame } from '../chunk/mod.ts';
import { DomainSecrets, digest, Sealer } from '../crypto/mod.ts';
import { CHUNK_BYTES_MAX, FrameKind } from '../format/mod.ts';
import {
  close,
  fchmod,
  fchmodAt,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDWR,
  open,
  openFile,
  read,
  renameAt,
  S_IFREG,
  StatBuffer,
  unlinkAt,
} from '../os/mod.ts';
import { Attributes, unlock } from './attributes.ts';

import { errorOf, type Failure } from './failure.ts';
import { giveBack } from './give-back.ts';
import { TargetFolders } from './target-folders.ts';
import type { Loaded, TaskReport, WorkerSetup } from './tasks.ts';

const SET_ID_BITS = 0o6000;

/** Knows the bytes that it opened last: once they are expanded, their memory can be given back. */
class Opener extends Sealer {
  opened: Buffer | undefined;

  override open(associated: Uint8Array, codec: number, nonce: Uint8Array, sealed: Uint8Array): Buffer {
    this.opened = super.open(associated, codec, nonce, sealed);
    return this.opened;
  }
}

/** What a worker holds from task to task. */
export class Workbench {
  readonly setup: WorkerSetup;
  readonly secrets: DomainSecrets;
  readonly slabs: readonly Uint8Array[];
  readonly folders: TargetFolders;
  readonly attributes: Attributes;
  readonly stat = new StatBuffer();
  /** For what is read back: one piece at a time. */
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
  /** Time by stage in this task, ms. */
  readonly times = { decode: 0, write: 0, set: 0 };
  readonly #sealers = new Map<string, Opener>();

  constructor(setup: WorkerSetup) {
    this.setup = setup;
    this.secrets = new DomainSecrets(setup.domainSecret);
    this.slabs = setup.slabs.map((buffer) => new Uint8Array(buffer));
    this.folders = new TargetFolders(setup.root);
    this.attributes = new Attributes(setup);
  }

  /** Runs a part of a task on the account of a stage. */
  timed<T>(stage: 'decode' | 'write' | 'set', part: () => T): T {
    const start = performance.now();
    try {
      return part();
    } finally {
      this.times[stage] += performance.now() - start;
    }
  }

  sealer(dataKeyId: Uint8Array): Opener | undefined {
    return this.#sealers.get(hexOf(dataKeyId));
  }

  /** Takes in the keys that came with chunks. */
  learn(keys: Loaded['keys']): void {
    for (const { id, key } of keys) {
      const name = hexOf(id);
      if (!this.#sealers.has(name)) this.#sealers.set(name, new Opener(key, id));
    }
  }

  report(failures: readonly Failure[] = [], inodes: readonly number[] = []): TaskReport {
    const { decode, write, set } = this.times;
    this.times.decode = this.times.write = this.times.set = 0;
    return { failures, inodes, metadata: this.attributes.takeTally(), decode, write, set };
  }

  /** Reads up to `length` bytes, at most a chunk, of `fd` into the buffer; what there is of them. */
  read(fd: number, position: number, length: number): Buffer {
    let filled = 0;
    for (let got = 1; got > 0 && filled < length; filled += got)
      got = read(fd, this.buffer, filled, length - filled, position + filled);
    return this.buffer.subarray(0, filled);
  }

  /** A regular file to be read, below the folder `dirfd`; refuses anything else as ESTALE. Leaves what it is like in `stat`. */
  openToRead(dirfd: number, name: ByteString): number {
    try {
      return this.#regular(openFile(dirfd, name));
    } catch (error) {
      if (errnoOf(error) !== 'EACCES' || this.setup.dryRun) throw error;
      // Its owner may read it after all; the mode of its entry comes at the end.
      fchmodAt(dirfd, name, 0o600);
      return this.#regular(openFile(dirfd, name));
    }
  }

  /** A regular file to be changed: nobody runs it with the rights of its owner meanwhile. */
  openToWrite(dirfd: number, name: ByteString): number {
    const fd = this.#regular(this.#openReadWrite(dirfd, name));
    if (this.stat.mode & SET_ID_BITS) fchmod(fd, this.stat.mode & ~SET_ID_BITS);
    return fd;
  }

  #openReadWrite(dirfd: number, name: ByteString): number {
    const flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    try {
      return open(dirfd, name, flags);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EACCES') fchmodAt(dirfd, name, 0o600);
      else if (errno === 'EPERM') unlockAt(dirfd, name);
      else throw error;
      return open(dirfd, name, flags);
    }
  }

  #regular(fd: number): number {
    try {
      this.stat.fd(fd);
      if (this.stat.type !== S_IFREG)
        throw new EverfullError('target', 'something else took the place of the file');
      return fd;
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /** Puts a finished file into its place. */
  moveIntoPlace(dirfd: number, temporary: ByteString, name: ByteString): void {
    try {
      renameAt(dirfd, temporary, dirfd, name);
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error;
      unlockAt(dirfd, name);
      renameAt(dirfd, temporary, dirfd, name);
    }
  }
}

/**
 * The name under which a file is written that takes another's place. It is always the same for one
 * name, so that what a killed restore left there is found and removed by the next.
 */
export function temporaryName(name: ByteString): ByteString {
  return `.everfull-${digest(Buffer.from(name, 'latin1')).toString('hex', 0, 12)}`;
}

/** Removes a file, if it is there. */
export function removeFile(dirfd: number, name: ByteString): void {
  try {
    unlinkAt(dirfd, name);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Removes what stands in the place of something else, even if its flags forbid that. */
export function clearAway(dirfd: number, name: ByteString): void {
  try {
    removeFile(dirfd, name);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    unlockAt(dirfd, name);
    removeFile(dirfd, name);
  }
}

/** Takes the flags from a file that forbid to change, move or remove it. */
export function unlockAt(dirfd: number, name: ByteString): void {
  const fd = openFile(dirfd, name);
  try {
    unlock(fd);
  } finally {
    close(fd);
  }
}

/** How many chunks stay decoded: those that a file of several goes back and forth between. */
const DECODED_MAX = 2;

/** The chunks of a task, opened when they are first needed. */
export class Chunks {
  readonly #loaded: Loaded;
  readonly #bench: Workbench;
  readonly #plain = new Map<number, Uint8Array>();
  readonly #errors = new Map<number, unknown>();

  constructor(loaded: Loaded, bench: Workbench) {
    this.#loaded = loaded;
    this.#bench = bench;
    bench.learn(loaded.keys);
  }

  /** A view that is valid until the next call. Throws what kept the chunk from being fetched or opened; 'damaged' for a slice that is not in it. */
  slice(frame: number, offset: number, length: number): Uint8Array {
    let plain = this.#plain.get(frame);
    if (plain === undefined) {
      if (this.#errors.has(frame)) throw this.#errors.get(frame);
      try {
        plain = this.#bench.timed('decode', () => this.#open(frame));
      } catch (error) {
        this.#errors.set(frame, error);
        throw error;
      }
      if (this.#plain.size === DECODED_MAX) this.#dropOldest();
      this.#plain.set(frame, plain);
    }
    if (offset + length > plain.length)
      throw new EverfullError(
        'damaged',
        `a slice ends at ${offset + length} of a chunk of ${plain.length} bytes`,
      );
    return plain.subarray(offset, offset + length);
  }

  #dropOldest(): void {
    for (const [frame, plain] of this.#plain) {
      this.#plain.delete(frame);
      giveBack(plain);
      return;
    }
  }

  /** Ends the use of all that {@link slice} gave. */
  close(): void {
    while (this.#plain.size > 0) this.#dropOldest();
  }

  #open(frame: number): Uint8Array {
    const { id, at, length, failure } = this.#loaded.frames[frame];
    if (failure !== undefined) throw errorOf(`read chunk ${hexOf(id).slice(0, 16)}`, failure);
    const bytes = this.#bench.slabs[this.#loaded.slab].subarray(at, at + length);
    let opener: Opener | undefined;
    const { plain } = openFrame(bytes, FrameKind.chunk, id, this.#bench.secrets, (dataKeyId) => {
      opener = this.#bench.sealer(dataKeyId);
      return opener;
    });
    const opened = opener?.opened;
    if (opened !== undefined && opened.buffer !== plain.buffer) giveBack(opened);
    return plain;
  }
}
