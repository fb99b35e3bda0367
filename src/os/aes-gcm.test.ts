import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { gcmEncryptor } from './aes-gcm.ts';

const encrypt = gcmEncryptor()!;

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test('gives what node:crypto gives, for any key, nonce, associated data and length, from shared memory too', () => {
  fc.assert(
    fc.property(
      bytes(32),
      bytes(12),
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 3000 }),
      fc.nat(70_000),
      (key, nonce, associated, text, zeros) => {
        const plain = new Uint8Array(new SharedArrayBuffer(text.length + zeros + 5), 5);
        plain.set(text);
        const target = new Uint8Array(plain.length + 16);
        encrypt(target, key, nonce, associated, plain);
        const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated);
        const expected = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
        assert.deepEqual(Buffer.from(target), expected);
      },
    ),
  );
});

test('long bytes come out whole, and are opened by node:crypto', () => {
  const [key, nonce, head] = [Buffer.alloc(32, 1), Buffer.alloc(12, 2), Buffer.from('head')];
  const plain = Buffer.alloc(5_000_000, 'long ');
  const target = new Uint8Array(plain.length + 16);
  encrypt(target, key, nonce, head, plain);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(head);
  decipher.setAuthTag(target.subarray(plain.length));
  const opened = Buffer.concat([decipher.update(target.subarray(0, plain.length)), decipher.final()]);
  assert.ok(opened.equals(plain));
});

test('lengths that do not fit are refused before memory is written', () => {
  const [key, nonce, none] = [Buffer.alloc(32), Buffer.alloc(12), Buffer.alloc(0)];
  assert.throws(() => encrypt(Buffer.alloc(25), key, nonce, none, Buffer.alloc(10)));
  assert.throws(() => encrypt(Buffer.alloc(26), key.subarray(1), nonce, none, Buffer.alloc(10)));
  assert.throws(() => encrypt(Buffer.alloc(26), key, nonce.subarray(1), none, Buffer.alloc(10)));
});
