import assert from 'node:assert/strict';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { DomainSecrets, digest, Sealer } from '../crypto/mod.ts';
import { FrameKind } from '../format/mod.ts';
import { AT_FDCWD, StatBuffer } from '../os/mod.ts';
import { openFrame } from './frame-codec.ts';
import { ChunkPipeline } from './pipeline.ts';
import { writeStat } from './read-files.ts';
import { SCAN_BYTES } from './slabs.ts';
import { type ChunkToSeal, type KnownSegments, type ScanResult, STAT_FIELDS } from './tasks.ts';
import { noise } from './testing/noise.ts';

const MiB = 1024 * 1024;
const KEY = Buffer.alloc(32, 2);
const KEY_ID = Buffer.alloc(16, 3);
const SECRET = Buffer.alloc(32, 1);
const secrets = new DomainSecrets(SECRET);
const pipeline = new ChunkPipeline(
  { domainSecret: SECRET, dataKey: KEY, dataKeyId: KEY_ID, compression: 'auto' },
  { threads: 2 },
);
const folder = mkdtempSync(join(tmpdir(), 'everfull-chunk-'));
after(async () => {
  await pipeline.close();
  rmSync(folder, { recursive: true });
});

/** Fills a slab with the chunks and has them sealed. */
async function seal(plains: readonly Buffer[]): Promise<void> {
  const slab = await pipeline.pools.scans.acquire();
  const memory = pipeline.memory(slab);
  const chunks: ChunkToSeal[] = [];
  let at = 0;
  for (const [i, plain] of plains.entries()) {
    memory.set(plain, at);
    chunks.push({ at, length: plain.length, id: i % 2 === 0 ? undefined : secrets.chunkId(plain) });
    at += plain.length;
  }
  assert.ok(at <= SCAN_BYTES);
  const sealed = await pipeline.run({ type: 'seal', slab, chunks });
  const sealer = new Sealer(KEY, KEY_ID);
  let end = 0;
  for (const [i, { id, at: from, frameLength, digest: sum, plainLength }] of sealed.entries()) {
    assert.ok(from >= end, 'frames do not overlap');
    end = from + frameLength;
    const frame = memory.subarray(from, end);
    assert.deepEqual(Buffer.from(sum), digest(frame));
    assert.equal(plainLength, plains[i].length);
    const { plain } = openFrame(frame, FrameKind.chunk, id, secrets, () => sealer);
    assert.ok(Buffer.from(plain).equals(plains[i]));
  }
  assert.ok(end <= memory.length);
  assert.equal(sealed.length, plains.length);
  pipeline.pools.scans.release(slab);
}

test('chunks that fill a slab and do not shrink are sealed in their places', async () => {
  await seal([noise(SCAN_BYTES, 1).subarray(0, 4 * MiB), noise(2 * MiB, 2)]);
  await seal(Array.from({ length: 12 }, (_, i) => noise(MiB / 2, i)));
  await seal(Array.from({ length: 300 }, (_, i) => noise(20_000, i)));
});

test('chunks of any lengths, shrinking or not, come out of their frames as they were', async () => {
  const plain = fc
    .tuple(fc.integer({ min: 1, max: MiB }), fc.boolean())
    .map(([length, shrinks]) => (shrinks ? Buffer.alloc(length, 'text ') : noise(length, length)));
  await fc.assert(fc.asyncProperty(fc.array(plain, { minLength: 1, maxLength: 6 }), seal), { numRuns: 12 });
});

/** Scans a whole file; `slabs` has a copy of each slab. */
async function scan(path: string, options: { known?: KnownSegments; isSparse?: boolean } = {}) {
  const stat = new StatBuffer();
  assert.ok(stat.at(AT_FDCWD, path));
  const fields = new Float64Array(STAT_FIELDS);
  writeStat(stat, fields, 0);
  const results: ScanResult[] = [];
  const slabs: Buffer[] = [];
  let position: number | undefined = 0;
  while (position !== undefined) {
    const slab = await pipeline.pools.scans.acquire();
    const result: ScanResult = await pipeline.run({
      type: 'scan',
      slab,
      path,
      stat: fields,
      position,
      isSparse: options.isSparse ?? true,
      wantSegments: true,
      known: options.known,
    });
    slabs.push(Buffer.from(pipeline.memory(slab)));
    pipeline.pools.scans.release(slab);
    assert.equal(result.failure, undefined);
    assert.ok(result.next === undefined || result.next > position, 'each scan goes on');
    results.push(result);
    position = result.next;
  }
  return { results, slabs };
}

/** The bytes that the chunks and holes of a scan stand for. */
function bytesOf({ results, slabs }: Awaited<ReturnType<typeof scan>>): Buffer {
  const parts: Buffer[] = [];
  for (const [i, { chunks, holes }] of results.entries()) {
    let at = 0;
    let hole = 0;
    const fill = (until: number) => {
      for (; hole < holes.length && holes[hole] <= until; hole += 2) {
        parts.push(slabs[i].subarray(at, holes[hole]), Buffer.alloc(holes[hole + 1]));
        at = holes[hole];
      }
      parts.push(slabs[i].subarray(at, until));
      at = until;
    };
    for (const { at: start, length, id } of chunks) {
      assert.deepEqual(Buffer.from(id), secrets.chunkId(slabs[i].subarray(start, start + length)));
      fill(start + length);
    }
    fill(at);
  }
  return Buffer.concat(parts);
}

test('a long file is cut the same by windows as its bytes are in one slab', async () => {
  const path = join(folder, 'long');
  const bytes = noise(SCAN_BYTES * 2 + 12_345, 5);
  writeFileSync(path, bytes);
  const scanned = await scan(path);
  assert.ok(bytesOf(scanned).equals(bytes));
  const ids = scanned.results.flatMap(({ chunks }) =>
    chunks.map(({ id }) => Buffer.from(id).toString('hex')),
  );
  // The same bytes, moved by another beginning, are cut the same once the cuts have met.
  const first = scanned.results[0].chunks[0].length;
  writeFileSync(path, bytes.subarray(first));
  const again = await scan(path);
  assert.deepEqual(
    again.results.flatMap(({ chunks }) => chunks.map(({ id }) => Buffer.from(id).toString('hex'))),
    ids.slice(1),
  );
});

test('files with holes anywhere are scanned to their bytes, and holes are those of the file system', async () => {
  const island = fc.record({
    gap: fc.integer({ min: 0, max: 900 }),
    length: fc.integer({ min: 1, max: 400 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(island, { maxLength: 8 }), fc.nat(600), async (islands, tail) => {
      const path = join(folder, 'sparse');
      const fd = openSync(path, 'w');
      const parts: Buffer[] = [];
      let at = 0;
      for (const [i, { gap, length }] of islands.entries()) {
        parts.push(Buffer.alloc(gap * 4096), noise(length * 4096, i));
        at += gap * 4096;
        writeSync(fd, parts.at(-1)!, 0, length * 4096, at);
        at += length * 4096;
      }
      parts.push(Buffer.alloc(tail * 4096 + 7));
      ftruncateSync(fd, at + tail * 4096 + 7);
      closeSync(fd);
      const scanned = await scan(path);
      const bytes = Buffer.concat(parts);
      assert.ok(bytesOf(scanned).equals(bytes));
      assert.equal(statSync(path).size, bytes.length);
      const dense = await scan(path, { isSparse: false });
      assert.ok(dense.results.every(({ holes }) => holes.length === 0));
      assert.ok(bytesOf(dense).equals(bytes));
    }),
    { numRuns: 8 },
  );
});

test('known segments are found at their places in new chunks, and only there', async () => {
  const path = join(folder, 'segments');
  const bytes = noise(3 * MiB, 6);
  writeFileSync(path, bytes);
  const count = bytes.length / 16_384;
  const known = (shift: number): KnownSegments => ({
    positions: Float64Array.from({ length: count }, (_, i) => i * 16_384 + shift),
    lengths: new Uint32Array(count).fill(16_384),
    hashes: Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        secrets.segmentHash(bytes.subarray(i * 16_384, (i + 1) * 16_384)),
      ),
    ),
    chunkIds: new Uint8Array(0),
  });
  const changed = Buffer.concat([noise(100, 1), bytes]);
  changed[MiB + 100] ^= 1;
  writeFileSync(path, changed);
  const { results, slabs } = await scan(path, { known: known(100) });
  const { matches, chunks } = results[0];
  const inside = (at: number) =>
    chunks.some((chunk) => at >= chunk.at && at + 16_384 <= chunk.at + chunk.length);
  for (let i = 0; i < count; i++) {
    const at = i * 16_384 + 100;
    assert.equal(matches[i], i !== 64 && inside(at) ? at : -1, `segment ${i}`);
    if (matches[i] >= 0)
      assert.ok(slabs[0].subarray(at, at + 16_384).equals(bytes.subarray(i * 16_384, (i + 1) * 16_384)));
  }
  assert.ok(matches.filter((at) => at >= 0).length > 180);
  const elsewhere = await scan(path, { known: known(99) });
  assert.ok(elsewhere.results[0].matches.every((at) => at === -1));
});
