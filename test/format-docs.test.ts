import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { bytesFromHex, ERROR_CODES, hexOf } from '../src/base/mod.ts';
import { Cutter, encodeFrame, frameIdOf, openFrame, writeGear } from '../src/chunk/mod.ts';
import {
  DomainSecrets,
  digest,
  readEndpoint,
  Sealer,
  unwrapDataKey,
  verify,
  WrappingKey,
} from '../src/crypto/mod.ts';
import {
  Codec,
  configRecord,
  decodeFrame,
  decodeManifestBody,
  decodeManifestHeader,
  decodePackTable,
  decodeStreamRecords,
  decodeStreamSegmentHead,
  FrameKind,
  manifestRecord,
  manifestSignedBytes,
  STREAM_SEGMENT_HEAD_BYTES,
  segmentFileRecord,
  sessionEndRecord,
} from '../src/format/mod.ts';
import { readPage, valuesOf, vectorOf } from '../src/format/testing/pages.ts';
import { listsOf, type NodeKind, TreeBuilder } from '../src/image/mod.ts';
import * as names from '../src/repository/mod.ts';

const keys = readPage('keys.md');

function key(name: string): Buffer {
  const line = keys.split('\n').find((text) => text.startsWith(`${name}: `));
  assert.ok(line !== undefined, `keys.md has no vector "${name}"`);
  return bytesFromHex(line.slice(name.length + 2));
}

const secrets = new DomainSecrets(key('domain secret'));
const sealer = new Sealer(key('data key'), key('data key id'));
const frames = readPage('frame.md');
const FRAMES = {
  chunk: FrameKind.chunk,
  'index-node': FrameKind.indexNode,
  'content-node': FrameKind.contentNode,
};

for (const [name, kind] of Object.entries(FRAMES)) {
  test(`the frame of the ${name} opens with the keys of the page, and is sealed so again`, () => {
    const { bytes } = vectorOf(frames, 'frame', name);
    const { id } = decodeFrame(bytes).header;
    const { plain, header } = openFrame(bytes, kind, id, secrets, () => sealer);
    if (kind === FrameKind.chunk) assert.equal(Buffer.from(plain).toString(), 'Every backup is a full.\n');
    else {
      const codec = kind === FrameKind.indexNode ? 'indexNode' : 'contentNode';
      assert.deepEqual(Buffer.from(plain), vectorOf(readPage('node.md'), codec, 'leaf').bytes);
    }
    const { chunks, nodes } = header;
    // What zstd makes of the same bytes may differ between its versions.
    if (header.codec === Codec.stored) {
      const frame = { kind, id, plain, chunks, nodes };
      assert.deepEqual(encodeFrame(frame, sealer, secrets.secretsId, 'off'), bytes);
    }
    if (kind !== FrameKind.chunk) {
      const lists = listsOf(kind, plain);
      assert.deepEqual(
        [lists.chunks.map(({ id, bytes }) => [hexOf(id), bytes]), lists.nodes.map(hexOf)],
        [chunks.map(({ id, bytes }) => [hexOf(id), bytes]), nodes.map(hexOf)],
      );
    }
  });
}

test('the pack of the page is made of the frames of the page', () => {
  const page = readPage('pack.md');
  const header = vectorOf(page, 'packHeader').bytes;
  const table = vectorOf(page, 'packTable').bytes;
  const bytes = Buffer.concat([
    header,
    ...Object.keys(FRAMES).map((name) => vectorOf(frames, 'frame', name).bytes),
    table,
  ]);
  for (const row of decodePackTable(table, bytes.length, digest))
    assert.deepEqual(digest(bytes.subarray(row.offset, row.offset + row.length)), Buffer.from(row.digest));
});

test('the manifest of the page is signed and sealed as the page says', () => {
  const page = readPage('manifest.md');
  const manifest = manifestRecord.decode(vectorOf(page, 'manifestRecord').bytes, digest);
  assert.deepEqual(Buffer.from(manifest.header), vectorOf(page, 'manifestHeader').bytes);
  const endpoint = readEndpoint(key('endpoint of "host"'));
  assert.ok(verify(endpoint.publicKey, manifestSignedBytes(manifest.header), manifest.signature));
  const header = decodeManifestHeader(manifest.header);
  assert.deepEqual(Buffer.from(header.endpoint), endpoint.id);
  assert.deepEqual(Buffer.from(header.bodyDigest), digest(manifest.body));
  const sequence = Buffer.alloc(8);
  sequence.writeBigUInt64LE(BigInt(header.sequence));
  const associated = Buffer.concat([
    Buffer.from('everfull manifest body 1\n'),
    secrets.secretsId,
    header.dataset,
    sequence,
  ]);
  const body = zstdDecompressSync(sealer.open(associated, 1, header.nonce, manifest.body));
  assert.deepEqual(body, vectorOf(page, 'manifestBody').bytes);
  assert.deepEqual(decodeManifestBody(body).paths, ['/home']);
  const end = sessionEndRecord.decode(vectorOf(readPage('record.md'), 'sessionEndRecord').bytes, digest);
  assert.deepEqual(Buffer.from(end.image), digest(manifest.header));
  const config = configRecord.decode(vectorOf(readPage('record.md'), 'configRecord').bytes, digest);
  assert.deepEqual(Buffer.from(config.secretsId), Buffer.from(header.secretsId));
});

test('the stream of the page is sealed and proven as the page says', () => {
  const page = readPage('stream.md');
  const { records } = decodedSegment(vectorOf(page, 'streamSegment', 'whole').bytes);
  const sent = records.flatMap((record) => (record.type === 'key' ? [record.object] : []));
  const streamKey = new WrappingKey(secrets.streamKey);
  assert.deepEqual(
    sent.map((object) => unwrapDataKey(streamKey, object).key),
    [key('data key')],
  );
  const commit = records.find((record) => record.type === 'commit')!;
  assert.deepEqual(Buffer.from(commit.publicKey), readEndpoint(key('endpoint of "host"')).publicKey);
  assert.deepEqual(Buffer.from(commit.manifest), vectorOf(readPage('manifest.md'), 'manifestRecord').bytes);
  const end = decodedSegment(vectorOf(page, 'streamSegment', 'end').bytes);
  assert.deepEqual(
    end.head.previous,
    decodedSegment(vectorOf(page, 'streamSegment', 'whole').bytes).head.digest,
  );
  assert.deepEqual(end.records, [{ type: 'end', proof: secrets.streamProof(end.head.previous) }]);
});

function decodedSegment(bytes: Buffer) {
  const head = decodeStreamSegmentHead(bytes.subarray(0, STREAM_SEGMENT_HEAD_BYTES));
  return { head, records: [...decodeStreamRecords(bytes.subarray(STREAM_SEGMENT_HEAD_BYTES))] };
}

/** The random bytes of chunker.md, at an address of some memory. */
function fillRandom(bytes: Uint8Array): void {
  let x = 1;
  for (let i = 0; i < bytes.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x & 255;
  }
}

test('bytes are cut as the page says', () => {
  const at = 65_536;
  const length = 12 * 1024 * 1024;
  const pages = at / 65_536 + length / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  writeGear(memory, secrets.gearTable());
  fillRandom(new Uint8Array(memory.buffer, at, length));
  const cutter = new Cutter(memory);
  const lengths: number[] = [];
  for (let start = at; start < at + length; ) {
    const end = cutter.cutAt(start, at + length, true);
    lengths.push(end - start);
    start = end;
  }
  assert.deepEqual(lengths.map(String), valuesOf(readPage('chunker.md'), 'cuts'));
});

test('the fingerprint of a long file is over its chunk ids and its holes', () => {
  const { chunks, holes } = segmentFileRecord.decode(
    vectorOf(readPage('track-log.md'), 'segmentFileRecord').bytes,
    digest,
  );
  const list = Buffer.alloc(16 * holes.length);
  holes.forEach(({ before, length }, i) => {
    list.writeBigUInt64LE(BigInt(before), i * 16);
    list.writeBigUInt64LE(BigInt(length), i * 16 + 8);
  });
  const fingerprint = secrets.longFingerprint([Buffer.concat(chunks.map(({ id }) => id)), list]);
  assert.deepEqual([hexOf(fingerprint)], valuesOf(readPage('chunker.md'), 'longFingerprint'));
});

/** Builds a tree; the items of its leaves, its level, and the id of its root. */
function build(kind: NodeKind, add: (builder: TreeBuilder) => void) {
  const leaves: string[] = [];
  const seed = secrets.boundaryKey.readUInt32LE(0);
  const builder = new TreeBuilder(kind, seed, ({ plain }) => {
    if (plain[0] === 0) leaves.push(String(plain.readUInt16LE(1)));
    return frameIdOf(kind, plain, secrets);
  });
  add(builder);
  const { level, root } = builder.finish();
  return { leaves, level, root: hexOf(root) };
}

test('trees are cut as the page says', () => {
  const page = readPage('node.md');
  const index = build(FrameKind.indexNode, (builder) => {
    for (let i = 0; i < 3000; i++)
      builder.addEntry(`d\0\0${String(i).padStart(4, '0')}`, Buffer.alloc(100, i % 256), undefined);
  });
  assert.deepEqual(index.leaves, valuesOf(page, 'indexTree'));
  const content = build(FrameKind.contentNode, (builder) => {
    for (let i = 0; i < 2000; i++) {
      if (i % 10 === 9) builder.addPiece({ length: 4096, chunk: undefined, offset: 0 });
      else builder.addPiece({ length: 1000 + i, chunk: secrets.chunkId(Buffer.from(String(i))), offset: i });
    }
  });
  assert.deepEqual(content.leaves, valuesOf(page, 'contentTree'));
  for (const { level, root } of [index, content]) {
    assert.equal(level, 1);
    assert.ok(page.includes(`below a root of level 1, whose id is \`${root}\``));
  }
});

test('objects have the names that the page says', () => {
  const id = Buffer.from(Array.from({ length: 16 }, (_, i) => i));
  assert.deepEqual(/```names\n([^`]*)```/.exec(readPage('repository.md'))?.[1]?.trim().split('\n'), [
    names.CONFIG,
    names.STORE,
    names.domainKeysName(id),
    names.formerKeyName(id),
    names.slotName(id.subarray(0, 8)),
    names.dataKeyName(id),
    names.endpointName(id),
    names.packName(id),
    names.segmentName(id),
    names.manifestName(id, 42),
    names.sessionOpenName(id),
    names.sessionReadName(id),
    names.sessionBeatName(id),
    names.sessionEndName(id),
    names.retentionName(42),
    names.condemnedName(id),
    names.damagedName(id),
  ]);
});

test('docs/ERRORS.md is the table of error codes', () => {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { exit, text }]) => `| \`${code}\` | ${exit} | ${text} |`,
  );
  const page = readFileSync(new URL('../docs/ERRORS.md', import.meta.url), 'utf8');
  const table = page.split('\n').filter((line) => line.startsWith('| `'));
  assert.deepEqual(table, rows);
});
