import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { CommandLine } from './command-line.ts';

async function bash(context: TestContext): Promise<(typed: string) => Promise<string[]>> {
  const line = new CommandLine(context);
  writeFileSync(line.path('completion'), await line.ok(['completion', 'bash']));
  return async (typed) => {
    const words = typed.split(' ');
    const script = `source completion
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}
      _everfull
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { code, stdout, stderr } = await line.spawn(['bash', '-c', script]);
    assert.deepEqual([code, stderr], [0, '']);
    return stdout.split('\n').filter(Boolean);
  };
}

test('bash completes verbs, their aliases and flags, and what lies below a verb', async (context) => {
  const complete = await bash(context);
  assert.ok((await complete('everfull ')).includes('backup'));
  assert.deepEqual(await complete('everfull sn'), ['snapshots']);
  assert.deepEqual(await complete('everfull backup --exclude-l'), ['--exclude-larger-than']);
  assert.deepEqual(await complete('everfull create --exclude-l'), ['--exclude-larger-than']);
  assert.deepEqual(await complete('everfull key re'), ['remove']);
  assert.deepEqual(await complete('everfull key add --rec'), ['--recovery', '--recovery-file']);
  assert.deepEqual(await complete('everfull ls --exclude-l'), []);
});

test('bash completes values that are known, and leaves the others to file names', async (context) => {
  const complete = await bash(context);
  assert.deepEqual(await complete('everfull backup --compression m'), ['max']);
  assert.deepEqual(await complete('everfull restore --overwrite if-'), ['if-changed', 'if-newer']);
  assert.deepEqual(await complete('everfull completion z'), ['zsh']);
  assert.deepEqual(await complete('everfull -r '), []);
});

test('bash is not misled by the value of a flag before the verb', async (context) => {
  const complete = await bash(context);
  assert.deepEqual(await complete('everfull -r backup key l'), ['list']);
  assert.deepEqual(await complete('everfull -q -r backup ls --rec'), ['--recursive', '--recovery-file']);
});

test('the scripts for zsh and fish name every verb and flag, with sound quotes', async (context) => {
  const line = new CommandLine(context);
  const help = await line.ok(['help', 'backup']);
  const flags = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag!);
  assert.ok(flags.length > 30);
  const zsh = await line.ok(['completion', 'zsh']);
  const fish = await line.ok(['completion', 'fish']);
  for (const flag of flags) {
    assert.ok(zsh.includes(`'${flag}:`), flag);
    assert.ok(fish.includes(`-l ${flag.slice(2)} `), flag);
  }
  assert.match(zsh, /^#compdef everfull\n/);
  for (const script of [zsh, fish]) {
    for (const word of script.split('\n')) {
      const quotes = word.replaceAll(/'\\''|\\'|\\\\/g, '').split("'").length - 1;
      assert.equal(quotes % 2, 0, word);
    }
  }
  await line.fails(1, ['completion', 'tcsh']);
});
