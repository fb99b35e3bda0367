import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

const libc = koffi.load(null);
const mmap = libc.func('intptr_t mmap(intptr_t, size_t, int, int, int, int64_t)');
const memset = libc.func('intptr_t memset(intptr_t, int, size_t)');
const msync = libc.func('int msync(intptr_t, size_t, int)');
const munmap = libc.func('int munmap(intptr_t, size_t)');

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MS_SYNC = 4;

/** A file that is written to through memory. */
export class MappedFile implements Disposable {
  readonly #address: number;
  readonly #length: number;

  constructor(path: string, length: number) {
    const fd = openSync(path, 'r+');
    this.#length = length;
    this.#address = mmap(0, length, PROT_READ_WRITE, MAP_SHARED, fd, 0) as number;
    closeSync(fd);
    if (this.#address === -1) throw new Error(`Could not map "${path}"`);
  }

  fill(byte: number, offset: number, length: number): void {
    memset(this.#address + offset, byte, length);
  }

  /** Has the pages written back, so that the next store is seen. */
  sync(): void {
    msync(this.#address, this.#length, MS_SYNC);
  }

  [Symbol.dispose](): void {
    munmap(this.#address, this.#length);
  }
}
