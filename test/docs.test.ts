import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VERBS } from '../src/cli/verbs/mod.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: root })];

function textOf(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** The anchor that a heading gets where pages are shown. */
function anchorsOf(page: string): Set<string> {
  return new Set(
    [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test('every link in the documentation leads to a file, and to a heading in it', () => {
  const broken: string[] = [];
  for (const page of pages) {
    const text = textOf(page).replace(/^```[^`]*^```/gm, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(root, file))) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(file).has(anchor)) broken.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('every file of the sources that the documentation names exists', () => {
  const missing: string[] = [];
  for (const page of pages) {
    for (const [, path] of textOf(page).matchAll(/`((?:src|test|tools|docs|bench)\/[\w./-]+\.\w+)`/g))
      if (!existsSync(join(root, path)) && path !== 'docs/PERFORMANCE.md') missing.push(`${page}: ${path}`);
  }
  assert.deepEqual(missing, []);
});

test('every decision has a number of its own, which its heading bears', () => {
  const numbers = globSync('docs/decisions/*.md', { cwd: root }).map((page) => {
    const number = /(\d{4})-[^/]*\.md$/.exec(page)?.[1];
    assert.ok(textOf(page).startsWith(`# ${number}: `), page);
    return number;
  });
  assert.equal(new Set(numbers).size, numbers.length);
});

test('every command of the README is one, with the flags that it has, and every verb is named', () => {
  const text = textOf('README.md').replaceAll('$(', '').replaceAll('<(', '');
  const named = new Set<string>();
  for (const [, verb, rest] of text.matchAll(/(?:^|\| )(?:\.\/)?everfull (\w+)([^#\n]*)/gm)) {
    named.add(verb!);
    const { stdout, status } = spawnSync(process.execPath, ['src/cli/main.ts', verb!, '--help'], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(status, 0, verb);
    if (verb === 'key') continue;
    for (const [flag] of rest!.matchAll(/(?<= )--[a-z]+(?:-[a-z]+)*/g))
      assert.ok(stdout.includes(flag), `${verb} has no ${flag}`);
  }
  const missing = VERBS.map(({ name }) => name).filter((name) => !named.has(name));
  assert.deepEqual(missing, ['completion', 'version'], 'verbs that the README does not show');
});
