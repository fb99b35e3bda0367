import { EverfullError } from '../base/mod.ts';
import { deriveKey } from './hash.ts';
import { type RandomSource, systemRandom } from './random.ts';

/**
 * A recovery code: 160 random bits that a person keeps on paper.
 *
 * Nine groups of five characters in Crockford's base32. Eight groups carry 20 bits each; the ninth
 * carries 20 bits of a checksum over them. The last character of a group checks the other four and the
 * group's place: a Reed–Solomon check over GF(32) which finds every single wrong character and every
 * swap of two neighbours, and says in which group. `docs/format/keys.md`
 */
export const RECOVERY_SECRET_BYTES = 20;
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUP_LENGTH = 5;
const GROUPS = 9;
const DATA_CHARACTERS = (RECOVERY_SECRET_BYTES * 8) / 5;
const ADVICE = 'Compare it with the paper: letters may be small, 0 and O are the same, so are 1, I and L.';

export function createRecoverySecret(random: RandomSource = systemRandom): Buffer {
  return random(RECOVERY_SECRET_BYTES);
}

/** The code to show: `XXXXX-XXXXX-…`. */
export function formatRecoveryCode(secret: Uint8Array): string {
  if (secret.length !== RECOVERY_SECRET_BYTES)
    throw new RangeError(`a recovery secret has ${RECOVERY_SECRET_BYTES} bytes, not ${secret.length}`);
  const digits = [...toDigits(secret), ...checksumOf(secret)];
  const groups: string[] = [];
  for (let group = 0; group < GROUPS; group++) {
    const data = digits.slice(group * (GROUP_LENGTH - 1), (group + 1) * (GROUP_LENGTH - 1));
    const check = timesAlpha(remainder(group, data));
    groups.push([...data, check].map((digit) => ALPHABET[digit]).join(''));
  }
  return groups.join('-');
}

/**
 * The secret of a code as someone typed it: case, spaces, dashes and look-alikes do not matter.
 * Throws 'wrong-password', naming the groups that are wrong and never what was typed.
 */
export function parseRecoveryCode(text: string): Buffer {
  const typed = text
    .toUpperCase()
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1')
    .split(/[\s-]+/)
    .filter((part) => part !== '');
  const characters = typed.join('');
  if (characters.length !== GROUPS * GROUP_LENGTH) {
    const short =
      typed.length === GROUPS
        ? typed.flatMap((part, i) => (part.length === GROUP_LENGTH ? [] : [i + 1]))
        : [];
    const where = short.length === 0 ? '' : `, ${groupsText(short)} not of ${GROUP_LENGTH}`;
    throw refusal(`it has ${characters.length} characters, not ${GROUPS * GROUP_LENGTH}${where}`);
  }
  const digits = Array.from(characters, (character) => ALPHABET.indexOf(character));
  const wrong: number[] = [];
  const data: number[] = [];
  for (let group = 0; group < GROUPS; group++) {
    const own = digits.slice(group * GROUP_LENGTH, (group + 1) * GROUP_LENGTH);
    if (own.includes(-1) || remainder(group, own) !== 0) wrong.push(group + 1);
    data.push(...own.slice(0, -1));
  }
  if (wrong.length > 0) throw refusal(`there is a mistake in ${groupsText(wrong)} of ${GROUPS}`);
  const secret = toBytes(data.slice(0, DATA_CHARACTERS));
  if (!checksumOf(secret).every((digit, i) => digit === data[DATA_CHARACTERS + i])) {
    throw refusal('the last group does not fit the others');
  }
  return secret;
}

function refusal(why: string): EverfullError {
  return new EverfullError('wrong-password', `Could not read the recovery code: ${why}`, { advice: ADVICE });
}

function groupsText(groups: readonly number[]): string {
  return `group${groups.length === 1 ? '' : 's'} ${groups.join(', ')}`;
}

/** Four digits. */
function checksumOf(secret: Uint8Array): number[] {
  return toDigits(deriveKey('everfull 2026 recovery code checksum', secret).subarray(0, 5)).slice(
    0,
    GROUP_LENGTH - 1,
  );
}

/** Horner's rule at α over GF(32); it starts from the place, which moves a group's code word with the group. */
function remainder(group: number, digits: readonly number[]): number {
  return digits.reduce((sum, digit) => timesAlpha(sum) ^ digit, group + 1);
}

/** Multiplication by α in GF(32) = GF(2)[α] / (α⁵ + α² + 1). */
function timesAlpha(value: number): number {
  return (value << 1) ^ (value & 16 ? 0b100101 : 0);
}

/** Five bits a digit, most significant first. */
function toDigits(bytes: Uint8Array): number[] {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  const count = (bytes.length * 8) / 5;
  return Array.from({ length: count }, (_, i) => Number((bits >> BigInt(5 * (count - 1 - i))) & 31n));
}

function toBytes(digits: readonly number[]): Buffer {
  let bits = 0n;
  for (const digit of digits) bits = (bits << 5n) | BigInt(digit);
  return Buffer.from(bits.toString(16).padStart((digits.length * 5) / 4, '0'), 'hex');
}
