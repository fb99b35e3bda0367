import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { digest } from '../../crypto/mod.ts';
import { IdTable } from './id-table.ts';

it('IdTable keeps a number for each id as a map does', () => {
  const steps = fc.array(fc.tuple(fc.nat(3000), fc.nat(0xffffffff)), { maxLength: 4000, size: 'max' });
  fc.assert(
    fc.property(steps, (steps) => {
      const table = new IdTable();
      const map = new Map<number, number>();
      for (const [name, value] of steps) {
        table.set(idOf(name), value);
        map.set(name, value);
      }
      assert.equal(table.size, map.size);
      for (let name = 0; name <= 3000; name += 7) assert.equal(table.get(idOf(name)), map.get(name));
    }),
    { numRuns: 10 },
  );
});

it('IdTable tells ids apart whose first bytes are equal', () => {
  const table = new IdTable();
  const ids = Array.from({ length: 5000 }, (_, i) =>
    Buffer.concat([Buffer.alloc(28), Buffer.from([i >> 24, i >> 16, i >> 8, i])]),
  );
  for (const [i, id] of ids.slice(0, 300).entries()) table.set(id, i);
  for (const [i, id] of ids.slice(0, 300).entries()) assert.equal(table.get(id), i);
  assert.equal(table.get(ids[300]!), undefined);
});

function idOf(name: number): Buffer {
  return digest(Buffer.from(String(name)));
}
