import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyFileSecret, formatKeyFile, parseKeyFile } from './keyfile.ts';

const secret = createKeyFileSecret();
const text = formatKeyFile(secret);
const parse = (content: string) => parseKeyFile(Buffer.from(content));

test('a key file is one line that carries 32 bytes', () => {
  assert.match(text, /^everfull-key-1 [0-9a-f]{64} [0-9a-f]{8}\n$/);
  assert.deepEqual(parse(text), secret);
  assert.throws(() => formatKeyFile(new Uint8Array(16)), RangeError);
});

test('blanks at the ends, a carriage return and capital digits do no harm', () => {
  const [magic, digits, checksum] = text.trim().split(' ');
  assert.deepEqual(parse(`  ${text.trim()}\r\n\n`), secret);
  assert.deepEqual(parse(`${magic} ${digits!.toUpperCase()} ${checksum!.toUpperCase()}`), secret);
});

test('each way of not being a key file is named, and no error shows the contents', () => {
  const cut = text.slice(0, 40);
  const refusals: readonly [string, string][] = [
    ['', 'it is empty'],
    [' \n', 'it is empty'],
    ['hunter2', 'it does not begin with everfull-key-1'],
    [text.replace('key-1', 'key-2'), 'it was made by a newer version'],
    [cut, 'it has 2 words, not 3'],
    [`${text}${text}`, 'it has 6 words, not 3'],
    [text.replace(/[0-9a-f](?= [0-9a-f]{8}\n)/, ''), 'its second word is not 64 hexadecimal digits'],
    [text.replace(/ [0-9a-f]/, ' g'), 'its second word is not 64 hexadecimal digits'],
    ['x'.repeat(1025), '1025 bytes are too many'],
  ];
  for (const [content, why] of refusals) {
    assert.throws(() => parse(content), {
      code: 'wrong-password',
      message: `Could not read the key file: ${why}`,
    });
  }
});

test('any digit changed fails the checksum', () => {
  for (let at = text.indexOf(' ') + 1; at < text.length - 1; at++) {
    if (text[at] === ' ') continue;
    const changed = text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1);
    assert.throws(() => parse(changed), { message: /it does not match its checksum/ });
  }
});
