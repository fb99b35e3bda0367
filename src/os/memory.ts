import koffi from 'koffi';

/**
 * Memory that the kernel may be given the address of. Passing addresses as numbers costs about 0.3 µs
 * less a call than letting koffi look into a Buffer each time, which counts where calls come in millions.
 */
export interface NativeMemory {
  readonly buffer: Buffer;
  /** Where `buffer` begins; valid for as long as `buffer` is reachable. User addresses fit in 47 bits. */
  readonly address: number;
}

/** Zeroed memory of `size` bytes that V8 never moves: an ArrayBuffer of its own is always off the heap. */
export function allocateNative(size: number): NativeMemory {
  const buffer = Buffer.from(new ArrayBuffer(size));
  return { buffer, address: Number(koffi.address(buffer)) };
}

/** Files that are written past the page cache take whole blocks, from addresses that are multiples of it. */
export const DIRECT_BLOCK_BYTES = 4096;

/** Memory of `size` bytes that {@link setDirect} is good for. It is not cleared. */
export function allocateAligned(size: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(size + DIRECT_BLOCK_BYTES);
  const beyond = Number(koffi.address(buffer)) % DIRECT_BLOCK_BYTES;
  return buffer.subarray(DIRECT_BLOCK_BYTES - beyond, DIRECT_BLOCK_BYTES - beyond + size);
}

export function isAligned(bytes: Uint8Array): boolean {
  return Number(koffi.address(bytes)) % DIRECT_BLOCK_BYTES === 0;
}
