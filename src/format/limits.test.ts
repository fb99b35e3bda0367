import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEntry, ENTRY_BYTES_MAX, type Entry, EntryType, encodeEntry } from './entry.ts';
import { FRAME_PLAIN_BYTES_MAX } from './frame.ts';
import { decodeManifestBody, encodeManifestBody, sessionOpenRecord } from './manifest.ts';
import { checkKey, decodeIndexNode, KEY_BYTES_MAX, NODE_BYTES_HIGH, NodeWriter } from './node.ts';
import { PACK_FOOTER_BYTES, packTailBytes } from './pack.ts';
import { block, list, record, text, u8 } from './record.ts';
import { codecs, digest } from './testing/codecs.ts';
import { readPage, vectorOf } from './testing/pages.ts';
import { TrackPage } from './track-log.ts';
import { ByteReader, ByteWriter } from './wire.ts';

const file = decodeEntry(vectorOf(readPage('entry.md'), 'entry', 'file').bytes);
const link: Entry = {
  ...file,
  type: EntryType.symlink,
  target: 'x',
  content: undefined,
  fingerprint: undefined,
};
const xattr = (name: string, bytes = 0) => ({ name, value: Buffer.alloc(bytes) });

test('an entry that no reader would accept is not written', () => {
  const tooMuch: Entry[] = [
    { ...file, xattrs: [xattr('x'.repeat(256))] },
    { ...file, xattrs: [xattr('x', 65_537)] },
    { ...file, linkGroup: `/${'x'.repeat(1024 * 1024)}` },
    { ...link, target: 'x'.repeat(65_537) },
    { ...file, xattrs: Array.from({ length: 49 }, (_, i) => xattr(`user.${100 + i}`, 65_536)) },
  ];
  for (const entry of tooMuch) assert.throws(() => encodeEntry(entry), { code: 'limit' });
});

test('an entry at every limit is read again', () => {
  const much: Entry[] = [
    { ...file, xattrs: [xattr('x'.repeat(255), 65_536)] },
    { ...file, linkGroup: `/${'x'.repeat(1024 * 1024 - 1)}` },
    { ...link, target: 'x'.repeat(65_536) },
    { ...file, xattrs: Array.from({ length: 47 }, (_, i) => xattr(`user.${100 + i}`, 65_536)) },
  ];
  for (const entry of much) assert.deepEqual(decodeEntry(encodeEntry(entry)), entry);
});

test('the longest key and the longest entry fit into a node, and the node into a frame', () => {
  const writer = new NodeWriter();
  writer.begin(0);
  writer.entry('', Buffer.alloc(NODE_BYTES_HIGH - 10));
  assert.ok(writer.length < NODE_BYTES_HIGH, 'one item more is still taken');
  writer.entry('x'.repeat(KEY_BYTES_MAX), Buffer.alloc(ENTRY_BYTES_MAX));
  const node = writer.finish();
  assert.ok(node.length <= FRAME_PLAIN_BYTES_MAX);
  const read = decodeIndexNode(node);
  assert.ok('items' in read);
  assert.equal(read.items[1]!.key.length, KEY_BYTES_MAX);
});

test('a key that is too long is refused before it is written', () => {
  checkKey('x'.repeat(KEY_BYTES_MAX));
  assert.throws(() => checkKey('x'.repeat(KEY_BYTES_MAX + 1)), { code: 'limit' });
});

test('texts, blocks and lists above their limit are not written', () => {
  const writer = new ByteWriter();
  assert.throws(() => text(3).write(writer, 'abcd'), { code: 'limit' });
  assert.throws(() => block(3).write(writer, Buffer.alloc(4)), { code: 'limit' });
  assert.throws(() => list(u8, 3).write(writer, [1, 2, 3, 4]), { code: 'limit' });
  const { value } = { value: decodeManifestBody(vectorOf(readPage('manifest.md'), 'manifestBody').bytes) };
  assert.throws(() => encodeManifestBody({ ...value, tags: ['x'.repeat(4097)] }), { code: 'limit' });
});

test('a record above its limit is neither written nor read', () => {
  const fields = { text: text(1000) };
  const [short, long] = [
    record(200, 1, 'a short thing', fields, 100),
    record(200, 1, 'a long thing', fields),
  ];
  assert.throws(() => short.encode({ text: 'x'.repeat(56) }, digest), { code: 'limit' });
  const bytes = long.encode({ text: 'x'.repeat(56) }, digest);
  assert.throws(() => short.decode(bytes, digest), { code: 'damaged', message: /limit/ });
  const most = short.encode({ text: 'x'.repeat(55) }, digest);
  assert.equal(most.length, 100);
  assert.equal(short.decode(most, digest).text.length, 55);
});

test('a record of a later version is named as such, also when its fields are others', () => {
  const fields = { text: text(1000) };
  const later = record(6, 2, 'a session', fields).encode({ text: 'of the future' }, digest);
  assert.throws(() => sessionOpenRecord.decode(later, digest), {
    code: 'repository-newer',
    message: 'Could not read a session: version 2, not 1',
  });
});

test('a count that the bytes cannot hold is refused before anything is made of it', () => {
  const huge = new ByteWriter().varint(16_000_000).finish();
  assert.throws(() => list(u8, 16_000_000).read(new ByteReader(huge, 'a list')), { code: 'damaged' });
  assert.throws(() => list(u8, 15).read(new ByteReader(huge, 'a list')), { code: 'damaged' });
  assert.throws(() => block(100_000_000).read(new ByteReader(huge, 'a block')), { code: 'damaged' });
});

test('a page of a track log whose last record is cut short is refused, and never read for ever', () => {
  const { bytes } = vectorOf(readPage('track-log.md'), 'trackPage');
  for (let length = 8; length < bytes.length; length += 8) {
    const isWhole = length === bytes.readUInt32LE(0);
    if (isWhole) codecs.trackPage!.decode(bytes.subarray(0, length));
    else assert.throws(() => codecs.trackPage!.decode(bytes.subarray(0, length)), { code: 'damaged' });
  }
  assert.throws(() => new TrackPage(Buffer.alloc(8)), { code: 'damaged' });
  const short = Buffer.alloc(8);
  short.writeUInt32LE(8);
  assert.throws(() => new TrackPage(short), { code: 'damaged' });
});

test('the table of a pack is not longer than the pack, nor than any table', () => {
  const footer = Buffer.alloc(PACK_FOOTER_BYTES);
  footer.write('PFVE', PACK_FOOTER_BYTES - 4, 'latin1');
  footer.writeUInt32LE(10);
  assert.equal(packTailBytes(footer, 10_000), 10 * 73 + 40);
  assert.throws(() => packTailBytes(footer, 700), { code: 'damaged' });
  footer.writeUInt32LE(1_000_000);
  assert.throws(() => packTailBytes(footer, 4_000_000_000), { code: 'damaged', message: /above the limit/ });
});
