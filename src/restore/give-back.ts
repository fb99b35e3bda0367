/** Less is not worth it, and may share its memory with other small buffers. */
const BYTES_MIN = 64 * 1024;

/**
 * Gives memory back at once that nothing reads any more. Chunks come and go by the gigabyte: if they
 * were left to the garbage collector, it would run for each few dozen of them and still lag behind.
 *
 * @param bytes all, or nearly all, of a buffer of its own
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (buffer instanceof ArrayBuffer && byteLength >= BYTES_MIN && byteLength * 2 > buffer.byteLength) {
    buffer.transfer(0);
  }
}
