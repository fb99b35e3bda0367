import { byteStringOf, bytesFromHex, bytesOf, EverfullError, hexOf } from '../base/mod.ts';
import { SECRET_BYTES } from '../format/mod.ts';
import { digest } from './hash.ts';
import { type RandomSource, systemRandom } from './random.ts';

/** A key file is one line of text: what it is, 32 random bytes, a checksum. `docs/format/keys.md` */
const MAGIC = 'everfull-key-1';
const CHECKSUM_BYTES = 4;
/** Most bytes that are worth looking at. */
export const KEY_FILE_BYTES_MAX = 1024;

export function createKeyFileSecret(random: RandomSource = systemRandom): Buffer {
  return random(SECRET_BYTES);
}

/** The contents of a key file, with the line's end. */
export function formatKeyFile(secret: Uint8Array): string {
  if (secret.length !== SECRET_BYTES)
    throw new RangeError(`the secret of a key file has ${SECRET_BYTES} bytes, not ${secret.length}`);
  const start = `${MAGIC} ${hexOf(secret)}`;
  return `${start} ${checksumOf(start)}\n`;
}

/** The secret in the contents of a key file. Throws 'wrong-password', never showing what was read. */
export function parseKeyFile(content: Uint8Array): Buffer {
  if (content.length > KEY_FILE_BYTES_MAX) throw refusal(`${content.length} bytes are too many`);
  const words = byteStringOf(content).trim().split(/\s+/);
  const [magic = '', secret = '', checksum = ''] = words;
  if (magic === '') throw refusal('it is empty');
  if (magic !== MAGIC) {
    throw refusal(
      magic.startsWith('everfull-key-')
        ? 'it was made by a newer version'
        : `it does not begin with ${MAGIC}`,
    );
  }
  if (words.length !== 3) throw refusal(`it has ${words.length} words, not 3`);
  if (secret.length !== SECRET_BYTES * 2 || !/^[0-9a-f]*$/i.test(secret)) {
    throw refusal(`its second word is not ${SECRET_BYTES * 2} hexadecimal digits`);
  }
  if (checksum.toLowerCase() !== checksumOf(`${MAGIC} ${secret.toLowerCase()}`))
    throw refusal('it does not match its checksum');
  return bytesFromHex(secret);
}

function checksumOf(start: string): string {
  return hexOf(digest(bytesOf(start)).subarray(0, CHECKSUM_BYTES));
}

function refusal(why: string): EverfullError {
  return new EverfullError('wrong-password', `Could not read the key file: ${why}`, {
    advice: 'Give the file that everfull made, unchanged.',
  });
}
