import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assemble, WASM_BINARY } from './wasm.ts';

test('the committed WebAssembly is what its source assembles to, byte for byte', async () => {
  assert.deepEqual(readFileSync(WASM_BINARY), await assemble());
});
