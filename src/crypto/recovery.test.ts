import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRecoverySecret, formatRecoveryCode, parseRecoveryCode } from './recovery.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const anySecret = fc.uint8Array({ minLength: 20, maxLength: 20 });
const wrongIn = (group: number) => ({
  code: 'wrong-password',
  message: `Could not read the recovery code: there is a mistake in group ${group} of 9`,
});

function replaced(code: string, at: number, character: string): string {
  return code.slice(0, at) + character + code.slice(at + 1);
}

test('a code is nine groups of five characters, and carries the secret', () => {
  const secret = createRecoverySecret();
  assert.equal(secret.length, 20);
  assert.match(formatRecoveryCode(secret), /^([0-9A-HJKMNP-TV-Z]{5}-){8}[0-9A-HJKMNP-TV-Z]{5}$/);
  fc.assert(
    fc.property(anySecret, (any) => {
      assert.deepEqual(Uint8Array.from(parseRecoveryCode(formatRecoveryCode(any))), any);
    }),
  );
});

test('case, blanks, dashes and look-alikes do not matter', () => {
  const secret = Buffer.from('0842108421'.repeat(4), 'hex');
  const code = formatRecoveryCode(secret);
  assert.match(code, /0.*1/);
  for (const typed of [
    code.toLowerCase(),
    code.replaceAll('-', ''),
    code.replaceAll('-', ' '),
    `\t ${code.replaceAll('-', ' - ')}\n`,
    code.replaceAll('0', 'O').replaceAll('1', 'I'),
    code.replaceAll('0', 'o').replaceAll('1', 'l'),
    Array.from(code.replaceAll('-', '')).join(' '),
  ]) {
    assert.deepEqual(parseRecoveryCode(typed), secret, typed);
  }
});

test('any single wrong character is found, and its group is named', () => {
  const code = formatRecoveryCode(createRecoverySecret());
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '-') continue;
    for (const character of `${ALPHABET}U!é`) {
      if (character === code[at]) continue;
      assert.throws(() => parseRecoveryCode(replaced(code, at, character)), wrongIn(1 + Math.floor(at / 6)));
    }
  }
});

test('two neighbours swapped are found, and their group is named', () => {
  fc.assert(
    fc.property(anySecret, fc.nat(8), fc.nat(3), (secret, group, place) => {
      const code = formatRecoveryCode(secret);
      const at = group * 6 + place;
      fc.pre(code[at] !== code[at + 1]);
      const swapped = replaced(replaced(code, at, code[at + 1]!), at + 1, code[at]!);
      assert.throws(() => parseRecoveryCode(swapped), wrongIn(group + 1));
    }),
  );
});

test('two groups in the wrong order are found', () => {
  const groups = formatRecoveryCode(createRecoverySecret()).split('-');
  [groups[2], groups[5]] = [groups[5]!, groups[2]!];
  assert.throws(() => parseRecoveryCode(groups.join('-')), {
    message: /there is a mistake in groups 3, 6 of 9/,
  });
});

test('groups of two codes do not mix', () => {
  const [a, b] = [Buffer.alloc(20, 1), Buffer.alloc(20, 2)].map((secret) =>
    formatRecoveryCode(secret).split('-'),
  );
  assert.throws(() => parseRecoveryCode([...a!.slice(0, 4), ...b!.slice(4)].join('-')), {
    code: 'wrong-password',
    message: /the last group does not fit the others/,
  });
});

test('a character too few or too many is found, with its group where the groups are kept apart', () => {
  const code = formatRecoveryCode(createRecoverySecret());
  assert.throws(() => parseRecoveryCode(code.slice(0, 6) + code.slice(7)), {
    message: 'Could not read the recovery code: it has 44 characters, not 45, group 2 not of 5',
  });
  assert.throws(() => parseRecoveryCode(`${code}0`), {
    message: /it has 46 characters, not 45, group 9 not of 5/,
  });
  assert.throws(() => parseRecoveryCode(code.replaceAll('-', '').slice(1)), {
    message: /it has 44 characters, not 45$/,
  });
  assert.throws(() => parseRecoveryCode(''), { code: 'wrong-password', message: /it has 0 characters/ });
});

test('no error shows what was typed', () => {
  const code = formatRecoveryCode(createRecoverySecret());
  for (const typed of [code.slice(1), replaced(code, 0, 'U')]) {
    try {
      parseRecoveryCode(typed);
      assert.fail('it was accepted');
    } catch (error) {
      assert.ok(!JSON.stringify([String(error), error]).includes(code.slice(6, 11)));
    }
  }
});

test('a secret of another length is refused', () => {
  assert.throws(() => formatRecoveryCode(new Uint8Array(19)), RangeError);
});
