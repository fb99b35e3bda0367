import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { Output } from './output.ts';

function sink(isTTY: boolean) {
  const written: Buffer[] = [];
  const stream = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      setImmediate(done);
    },
  });
  return {
    stream: Object.assign(stream, { isTTY }),
    text: () => Buffer.concat(written).toString('latin1'),
    written,
  };
}

test('Output keeps the order of lines, JSON and bytes, and the bytes of paths', async () => {
  const { stream, text } = sink(false);
  const output = new Output(stream);
  output.byteLine(output.path('/a\xff\n'));
  output.line('ü');
  await output.bytes(Buffer.from('raw'));
  output.json({ a: 1 });
  await output.flush();
  assert.equal(text(), '/a\xff\n\n\xc3\xbc\nraw{"a":1}\n');
});

test('Output writes many lines at once, and waits for a slow reader', async () => {
  const { stream, written } = sink(false);
  const output = new Output(stream);
  for (let i = 0; i < 20_000; i++) await output.line('0123456789');
  await output.flush();
  assert.ok(written.length < 10);
});

test('Output shows paths on a terminal so that they do no harm, and at once', () => {
  const { stream, text } = sink(true);
  const output = new Output(stream);
  output.byteLine(output.path('/a\x1b[31m'));
  assert.equal(text(), '/a\\x1b[31m\n');
});

test('Output goes on when nobody reads any more', async () => {
  const stream = new Writable({
    write: (_chunk, _encoding, done) => done(new Error('EPIPE')),
    highWaterMark: 1,
  });
  stream.on('error', () => {});
  const output = new Output(stream);
  await output.bytes(Buffer.from('x'));
  await output.bytes(Buffer.from('y'));
  assert.equal(stream.destroyed, true);
});
