import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { isEverfullError } from '../base/mod.ts';
import { DomainSecrets, Sealer } from '../crypto/mod.ts';
import { Codec, decodeFrame, encodeFrameHeader, FRAME_PLAIN_BYTES_MAX, FrameKind } from '../format/mod.ts';
import { ZstdParameter } from '../os/mod.ts';
import { COMPRESSION_MODES, compress, expand, streamingCompressor } from './compress.ts';
import { encodeFrame, frameIdOf, openFrame } from './frame-codec.ts';
import { noise } from './testing/noise.ts';

const secrets = new DomainSecrets(Buffer.alloc(32, 1));
const sealer = new Sealer(Buffer.alloc(32, 2), Buffer.alloc(16, 3));
const sealerOf = () => sealer;
const KINDS = [FrameKind.chunk, FrameKind.indexNode, FrameKind.contentNode];

function frameOf(kind: FrameKind, plain: Uint8Array, mode: (typeof COMPRESSION_MODES)[number] = 'auto') {
  const id = frameIdOf(kind, plain, secrets);
  const frame = { kind, id, plain, chunks: [], nodes: [] };
  return { id, bytes: encodeFrame(frame, sealer, secrets.secretsId, mode) };
}

const texts = fc.oneof(
  fc.uint8Array({ maxLength: 5000 }),
  fc.nat(300_000).map((length) => Buffer.alloc(length, 'all work and no play ')),
  fc.nat(300_000).map((length) => noise(length, length)),
);

test('what becomes a frame comes out of it again, of every kind and in every mode', () => {
  fc.assert(
    fc.property(
      texts,
      fc.constantFrom(...KINDS),
      fc.constantFrom(...COMPRESSION_MODES.filter((mode) => mode !== 'max')),
      (plain, kind, mode) => {
        const { id, bytes } = frameOf(kind, plain, mode);
        const opened = openFrame(bytes, kind, id, secrets, sealerOf);
        assert.ok(Buffer.from(opened.plain).equals(plain));
        assert.ok(bytes.length <= plain.length + 100, 'what does not shrink is stored as it is');
      },
    ),
    { numRuns: 60 },
  );
});

test('what shrinks is compressed, and what does not is stored', () => {
  const text = Buffer.alloc(400_000, 'all work and no play ');
  for (const mode of COMPRESSION_MODES) {
    assert.equal(compress(text, mode).codec, mode === 'off' ? Codec.stored : Codec.zstd);
    assert.equal(compress(noise(400_000, 1), mode).codec, Codec.stored);
    assert.equal(compress(Buffer.alloc(10), mode).codec, Codec.stored);
  }
  const half = Buffer.concat([noise(200_000, 2), text.subarray(0, 200_000)]);
  assert.equal(compress(half, 'auto').codec, Codec.zstd, 'any part that shrinks is enough');
});

test('the same bytes give the same frame under one data key, and no two texts one nonce', () => {
  const nonces = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const plain = noise(1000, i);
    assert.deepEqual(frameOf(FrameKind.chunk, plain), frameOf(FrameKind.chunk, plain));
    nonces.add(decodeFrame(frameOf(FrameKind.chunk, plain).bytes).header.nonce.toString());
  }
  assert.equal(nonces.size, 50);
});

test('a frame of another kind, id, key or domain is damage', () => {
  const plain = noise(1000, 1);
  for (const kind of KINDS) {
    const { id, bytes } = frameOf(kind, plain);
    for (const other of KINDS)
      if (other !== kind)
        assert.throws(() => openFrame(bytes, other, id, secrets, sealerOf), { code: 'damaged' });
    assert.throws(() => openFrame(bytes, kind, noise(32, 1), secrets, sealerOf), { code: 'damaged' });
    const domain = new DomainSecrets(Buffer.alloc(32, 9));
    assert.throws(() => openFrame(bytes, kind, id, domain, sealerOf), { code: 'damaged' });
    if (kind === FrameKind.contentNode) continue;
    assert.throws(() => openFrame(bytes, kind, id, secrets, () => undefined), { code: 'damaged' });
    const key = new Sealer(Buffer.alloc(32, 9), Buffer.alloc(16, 3));
    assert.throws(() => openFrame(bytes, kind, id, secrets, () => key), { code: 'damaged' });
  }
});

test('a frame that was changed or cut anywhere is damage, or gives the same bytes', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      (kind, place, flip, isCut) => {
        const plain = Buffer.alloc(600, 'some plain text ');
        const { id, bytes } = frameOf(kind, plain);
        const at = place % bytes.length;
        let changed = Buffer.from(bytes);
        if (isCut) changed = changed.subarray(0, at);
        else changed[at] ^= flip;
        try {
          // A content node is clear: its id, not its header, says what it holds.
          const { plain: again } = openFrame(changed, kind, id, secrets, sealerOf);
          assert.ok(kind === FrameKind.contentNode && Buffer.from(again).equals(plain));
        } catch (error) {
          if (!isEverfullError(error, 'damaged')) throw error;
        }
      },
    ),
    { numRuns: 600 },
  );
});

test('a body that expands to more than its header says is refused before it takes the memory', () => {
  const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024));
  assert.throws(() => expand(Codec.zstd, bomb, 1000), { code: 'damaged' });
  assert.throws(() => expand(Codec.zstd, bomb, 0), { code: 'damaged' });
  assert.throws(() => expand(Codec.zstd, zstdCompressSync(Buffer.alloc(10)), 11), { code: 'damaged' });
  assert.throws(() => expand(Codec.stored, Buffer.alloc(10), 11), { code: 'damaged' });
  const { header, headerBytes, body } = decodeFrame(frameOf(FrameKind.contentNode, Buffer.alloc(500)).bytes);
  const frame = Buffer.concat([encodeFrameHeader({ ...header, bodyLength: bomb.length }), bomb]);
  assert.equal(frame.length, headerBytes.length + bomb.length);
  assert.ok(body.length < 100);
  assert.throws(() => openFrame(frame, header.kind, header.id, secrets, sealerOf), { code: 'damaged' });
  const huge = encodeFrameHeader({ ...header, plainLength: FRAME_PLAIN_BYTES_MAX + 1 });
  assert.throws(() => decodeFrame(Buffer.concat([huge, body])), { code: 'damaged' });
});

test('where the zstd of Node cannot be called, node:zlib makes what expands to the same', () => {
  const compressor = streamingCompressor([
    [ZstdParameter.compressionLevel, 2],
    [ZstdParameter.windowLog, 18],
  ]);
  fc.assert(
    fc.property(texts, (plain) => {
      const target = Buffer.alloc(plain.length + 200);
      const length = compressor(target, plain)!;
      assert.ok(Buffer.from(expand(Codec.zstd, target.subarray(0, length), plain.length)).equals(plain));
    }),
    { numRuns: 30 },
  );
  assert.equal(compressor(Buffer.alloc(20), noise(1000, 1)), undefined);
});
