/** Assembles the WebAssembly of the chunker: `npm run wasm`. A test holds the result against the source. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

interface Wabt {
  parseWat(
    name: string,
    text: string,
    features: { threads: boolean },
  ): { toBinary(options: object): { buffer: Uint8Array }; destroy(): void };
}

export const WASM_SOURCE: URL = new URL('../src/chunk/cut.wat', import.meta.url);
export const WASM_BINARY: URL = new URL('../src/chunk/cut.wasm', import.meta.url);

/** The binary of `cut.wat`. */
export async function assemble(): Promise<Buffer> {
  const wabt = await (createRequire(import.meta.url)('wabt') as () => Promise<Wabt>)();
  const module = wabt.parseWat('cut.wat', readFileSync(WASM_SOURCE, 'utf8'), { threads: true });
  const binary = Buffer.from(module.toBinary({}).buffer);
  module.destroy();
  return binary;
}

if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(WASM_BINARY, await assemble());
