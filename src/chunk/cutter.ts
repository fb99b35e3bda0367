import { readFileSync } from 'node:fs';
import { CHUNK_BYTES_MAX } from '../format/mod.ts';

/** No chunk but a file's last is shorter: half of the average, so that half of all bytes need no hash. */
export const CUT_BYTES_MIN = 512 * 1024;
export const CUT_BYTES_TARGET = 1024 * 1024;

/** The rolling hash sees this many bytes: each step shifts the oldest out of its 32 bits. */
const WINDOW_BYTES = 32;

/** What the chunker's memory begins with: 256 secret numbers. */
export const GEAR_BYTES = 1024;

type Cut = (at: number, warm: number, target: number, most: number) => number;

/**
 * Finds where chunks end: at places that the bytes themselves choose, so that an insertion moves the
 * cuts with the data. Gear hash (Xia et al., FastCDC, USENIX ATC 2016) with a secret table, so that
 * chunk lengths do not tell which file it is; twenty bits before the target length and eighteen after
 * it keep most chunks near it. 0.4 ns a byte looked at, in WebAssembly (`cut.wat`).
 */
export class Cutter {
  readonly #cut: Cut;

  /** @param memory shared; its first GEAR_BYTES hold the gear table, see {@link writeGear} */
  constructor(memory: WebAssembly.Memory) {
    const binary = readFileSync(new URL('./cut.wasm', import.meta.url));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), { everfull: { memory } });
    this.#cut = exports.cut as Cut;
  }

  /**
   * Where the chunk that begins at address `start` ends, or −1 when it takes more bytes to tell.
   *
   * @param end end of the bytes that are at hand
   * @param isLast whether the data ends there
   */
  cutAt(start: number, end: number, isLast: boolean): number {
    const available = end - start;
    if (available > CUT_BYTES_MIN) {
      const least = start + CUT_BYTES_MIN;
      const most = Math.min(end, start + CHUNK_BYTES_MAX);
      const cut = this.#cut(least - WINDOW_BYTES, least, Math.min(end, start + CUT_BYTES_TARGET), most);
      if (cut !== 0) return cut;
      if (available >= CHUNK_BYTES_MAX) return most;
    }
    return isLast ? end : -1;
  }
}

export function writeGear(memory: WebAssembly.Memory, gear: Uint32Array): void {
  new Uint32Array(memory.buffer, 0, gear.length).set(gear);
}
