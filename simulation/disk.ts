import { posix } from 'node:path';
import type { ByteString } from '../src/base/mod.ts';
import type { Dice } from './dice.ts';

/** What a power cut tears is torn at multiples of this, so that the small files of a simulation can be. */
const BLOCK_BYTES = 64;

export class DiskFile {
  readonly number: number;
  /** What everybody sees. */
  data: Buffer = Buffer.alloc(0);
  /** What is on the disk for certain. */
  durable: Buffer = Buffer.alloc(0);
  /** A sync of it failed: the kernel takes for written what it has dropped, and no later sync helps. */
  isDropped = false;
  modified: number;

  constructor(number: number, modified: number) {
    this.number = number;
    this.modified = modified;
  }
}

interface NameChange {
  readonly name: ByteString;
  /** Undefined where the name goes. */
  readonly node: DiskNode | undefined;
}

export class DiskFolder {
  readonly number: number;
  names = new Map<ByteString, DiskNode>();
  durable = new Map<ByteString, DiskNode>();
  /** Changes to `names` that are not in `durable`, in order. */
  pending: NameChange[] = [];

  constructor(number: number) {
    this.number = number;
  }

  change(name: ByteString, node: DiskNode | undefined): void {
    apply(this.names, { name, node });
    this.pending.push({ name, node });
  }
}

export type DiskNode = DiskFile | DiskFolder;

function apply(names: Map<ByteString, DiskNode>, { name, node }: NameChange): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}

/** What power cuts have done. */
export interface Losses {
  torn: number;
  lostNames: number;
  /** Cuts after which a later change was there and an earlier one was not. */
  reordered: number;
}

/**
 * A file system on a disk with a cache. What POSIX does not promise it does not keep: data is durable once
 * its file was synced, a name once its folder was. Every method takes effect at once, or throws an error
 * with `code` as the kernel does.
 */
export class Disk {
  readonly root = new DiskFolder(1);
  /** Names could not be written: the file system has shut itself down, until the machine starts again. */
  isShutDown = false;
  readonly losses: Losses = { torn: 0, lostNames: 0, reordered: 0 };
  #numbers = 1;

  find(path: ByteString): DiskNode {
    let node: DiskNode = this.root;
    for (const name of partsOf(path)) {
      if (!(node instanceof DiskFolder)) throw errno('ENOTDIR', path);
      const next: DiskNode | undefined = node.names.get(name);
      if (next === undefined) throw errno('ENOENT', path);
      node = next;
    }
    return node;
  }

  file(path: ByteString): DiskFile {
    const node = this.find(path);
    if (node instanceof DiskFile) return node;
    throw errno('EISDIR', path);
  }

  folder(path: ByteString): DiskFolder {
    const node = this.find(path);
    if (node instanceof DiskFolder) return node;
    throw errno('ENOTDIR', path);
  }

  #freePlace(path: ByteString): DiskFolder {
    const folder = this.folder(posix.dirname(path));
    if (folder.names.has(posix.basename(path))) throw errno('EEXIST', path);
    return folder;
  }

  create(path: ByteString, time: number): DiskFile {
    const file = new DiskFile(++this.#numbers, time);
    this.#freePlace(path).change(posix.basename(path), file);
    return file;
  }

  makeFolder(path: ByteString): void {
    this.#freePlace(path).change(posix.basename(path), new DiskFolder(++this.#numbers));
  }

  append(file: DiskFile, bytes: Uint8Array): void {
    file.data = Buffer.concat([file.data, bytes]);
  }

  link(from: ByteString, to: ByteString): void {
    const file = this.file(from);
    this.#freePlace(to).change(posix.basename(to), file);
  }

  rename(from: ByteString, to: ByteString): void {
    const file = this.file(from);
    this.folder(posix.dirname(to)).change(posix.basename(to), file);
    this.folder(posix.dirname(from)).change(posix.basename(from), undefined);
  }

  unlink(path: ByteString): void {
    this.file(path);
    this.folder(posix.dirname(path)).change(posix.basename(path), undefined);
  }

  sync(file: DiskFile): void {
    if (!file.isDropped) file.durable = file.data;
  }

  syncFolder(folder: DiskFolder): void {
    for (const change of folder.pending) apply(folder.durable, change);
    folder.pending = [];
  }

  /** A sync that says that it failed: what it should have written is left to chance. */
  drop(node: DiskNode): void {
    // Of a file that is all; where it is the journal that cannot be written, real file systems go on no more.
    if (node instanceof DiskFile) node.isDropped = true;
    else this.isShutDown = true;
  }

  /** Everything that was not synced is lost, or not, or by halves. */
  cutPower(dice: Dice): void {
    // Many file systems keep order among names; none promises it.
    this.isShutDown = false;
    const keepsOrder = dice.chance(0.5);
    const seen = new Set<DiskNode>();
    const crash = (node: DiskNode): void => {
      if (seen.has(node)) return;
      seen.add(node);
      if (node instanceof DiskFile) this.#tear(node, dice);
      else {
        this.#losenNames(node, keepsOrder, dice);
        for (const below of node.names.values()) crash(below);
      }
    };
    crash(this.root);
  }

  #losenNames(folder: DiskFolder, keepsOrder: boolean, dice: Dice): void {
    const { pending } = folder;
    const first = dice.below(pending.length + 1);
    const keep = dice.pick([0, 0.5, 0.9]);
    const isKept = pending.map(() => dice.chance(keep)).map((kept, i) => (keepsOrder ? i < first : kept));
    const names = new Map(folder.durable);
    for (const [i, change] of pending.entries()) if (isKept[i]) apply(names, change);
    this.losses.lostNames += isKept.filter((kept) => !kept).length;
    if (isKept.lastIndexOf(true) > isKept.indexOf(false) && isKept.includes(false)) this.losses.reordered++;
    folder.names = names;
    folder.durable = new Map(names);
    folder.pending = [];
  }

  #tear(file: DiskFile, dice: Dice): void {
    const { data, durable } = file;
    if (data !== durable) {
      const length = dice.pick([durable.length, data.length, dice.between(durable.length, data.length)]);
      const torn = Buffer.from(data.subarray(0, length));
      const isWritten = dice.fraction();
      for (let at = durable.length; at < length; at += BLOCK_BYTES)
        if (!dice.chance(isWritten)) torn.fill(0, at, Math.min(at + BLOCK_BYTES, length));
      durable.copy(torn);
      if (!torn.equals(data)) this.losses.torn++;
      file.data = torn;
      file.durable = torn;
    }
    file.isDropped = false;
  }
}

function partsOf(path: ByteString): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** An error of the kernel's. */
export function errno(code: string, path: ByteString, syscall = 'simulated'): NodeJS.ErrnoException {
  // There are very many of them, and nobody asks where they came from.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = new Error(`${code}: ${syscall} '${path}'`);
  Error.stackTraceLimit = stackTraceLimit;
  return Object.assign(error, { code, syscall, path });
}
