import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

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

test('every verb is in the README, and every verb of the README exists', async () => {
  const { VERBS } = await verbs();
  const tour = textOf('README.md');
  const named = new Set([...tour.matchAll(/(?:^|\| )(?:\.\/)?everfull ([a-z]+)/gm)].map(([, verb]) => verb));
  const missing = VERBS.filter((verb) => !named.has(verb));
  assert.deepEqual(missing, []);
});
