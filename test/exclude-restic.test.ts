/**
 * restic (whichever version is installed) as a judge of our selection rules: both walk the same tree
 * with the same options, and must keep the same files and folders.
 */
import assert from 'node:assert/strict';
import { type ExecFileException, execFile } from 'node:child_process';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type ByteString,
  byteStringFromText,
  bytesOf,
  displayText,
  isEverfullError,
} from '../src/base/mod.ts';
import {
  compilePatterns,
  expandGlob,
  leavesOut,
  parseExcludeFile,
  parseExcludeIfPresent,
  parseFilesFrom,
  parseFilesFromRaw,
  parseFilesFromVerbatim,
  parseSize,
  Selection,
} from '../src/capture/select/mod.ts';

/** Relative to the root of the tree; `ROOT` in a pattern or a list stands for its path. */
interface Case {
  readonly excludes?: readonly string[];
  readonly iexcludes?: readonly string[];
  /** Contents of an exclude file, of a list of patterns, and so on; latin1. */
  readonly excludeFile?: string;
  readonly iexcludeFile?: string;
  readonly caches?: boolean;
  readonly ifPresent?: readonly string[];
  readonly largerThan?: string;
  readonly targets?: readonly string[];
  readonly filesFrom?: string;
  readonly filesFromVerbatim?: string;
  readonly filesFromRaw?: string;
}

const SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55';

const FILES: Readonly<Record<string, string>> = {
  'home/bob/Documents/letter.txt': 'x',
  'home/bob/Documents/old/letter.TXT': 'x',
  'home/bob/code/main.c': 'x',
  'home/bob/code/main.o': 'x',
  'home/bob/code/keep.o': 'x',
  'home/bob/code/node_modules/a/index.js': 'x',
  'home/bob/code/node_modules/node_modules': 'x',
  'home/bob/.cache/x/y': 'x',
  'home/bob/.nobackup': '',
  'home/amy/.cache/z': 'x',
  'home/amy/music/big.ogg': 'x'.repeat(3000),
  'home/amy/music/exact.ogg': 'x'.repeat(2048),
  'home/amy/marked/.nobackup': 'yes, please',
  'home/amy/marked/sub/file': 'x',
  'home/amy/two/.nobackup': '',
  'home/amy/two/.stop': '',
  'home/amy/two/file': 'x',
  'cache/good/CACHEDIR.TAG': `${SIGNATURE}\n`,
  'cache/good/data/1': 'x',
  'cache/bad/CACHEDIR.TAG': 'Signature: nothing',
  'cache/bad/data': 'x',
  'cache/short/CACHEDIR.TAG': 'Sig',
  'cache/short/data': 'x',
  'foo/bar/one': 'x',
  'foo/x/bar/two': 'x',
  'foo/x/y/z/bar/three': 'x',
  'foo/x/y/other': 'x',
  'foo/foobar': 'x',
  'bar/foo/four': 'x',
  'odd/*': 'x',
  'odd/star': 'x',
  'odd/[x]': 'x',
  'odd/x': 'x',
  'odd/back\\slash': 'x',
  'odd/!bang': 'x',
  'odd/#hash': 'x',
  'odd/$HOME': 'x',
  'odd/-dash': 'x',
  'odd/two words': 'x',
  'odd/ lead': 'x',
  'odd/trail ': 'x',
  'odd/new\nline': 'x',
  'odd/not\xffutf8': 'x',
  'odd/\xc3\x9cber': 'x',
  'odd/\xc3\xa9': 'x',
  'odd/e': 'x',
};

const CASES: Readonly<Record<string, Case>> = {
  'nothing is excluded': {},
  'plain names': { excludes: ['foo', 'main.c', '.cache'] },
  'anchored and relative paths': { excludes: ['ROOT/foo/x', 'bar/foo', '/foo', 'ROOT/home/amy/'] },
  'stars within components': { excludes: ['*.o', 'foo*', 'm*c', 'ROOT/home/*/.cache'] },
  'double stars between components': { excludes: ['foo/**/bar'] },
  'double stars at the ends': { excludes: ['foo/x/**', '**/music', 'ROOT/**/code/**/index.js'] },
  'double stars twice': { excludes: ['home/**/code/**/a', 'ROOT/**/y/**/bar'] },
  'classes and question marks': { excludes: ['[b-e]ar', '?', 'main.[^c]', 'home/???/Doc*'] },
  escapes: { excludes: ['\\*', '\\[x]', 'back\\\\*', '\\!bang', '#hash', '$HOME', '-dash'] },
  'spaces, newlines and UTF-8': { excludes: ['two words', ' lead', 'trail ', 'new\nline', '?ber', 'Ü*'] },
  'unclean patterns': { excludes: ['./foo/../bar', 'ROOT//foo///x/./y/', '../odd', '.', '..'] },
  'a taken back pattern': { excludes: ['*.o', '!keep.o', 'home/**/*.txt', '!Documents'] },
  'taking back below a folder that is excluded': { excludes: ['ROOT/home', '!ROOT/home/bob'] },
  'everything but some folders': {
    excludeFile:
      'ROOT/home/bob/*\n!ROOT/home/bob/Documents\n\n!ROOT/home/bob/code\n# comment\nnode_modules\n*.o\n',
  },
  'the order of patterns': { excludes: ['!keep.o', '*.o', 'foo', '!foo', '!ROOT/foo/x', 'ROOT/foo/x/y'] },
  'an exclude file with variables and spaces': {
    excludeFile:
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a line of an exclude file.
      '  *.o \r\n$SELECT_NAME\n${SELECT_NAME}x\n$$HOME\n\t# no\n#hash\n\\#hash\n  two words\n$UNSET\n',
  },
  'an exclude file that is not UTF-8': { excludeFile: 'not\xff*\n\xc3\xa9' },
  'a file and options together': { excludes: ['!main.o'], excludeFile: 'main.o\n!keep.o\n' },
  'patterns that ignore case': { iexcludes: ['*.TxT', 'CODE/MAIN.[A-C]', 'über', '!LETTER.txt', 'ODD/É'] },
  'lists with and without case': { excludes: ['*.txt', '!*.o'], iexcludes: ['*.O'], iexcludeFile: 'MUSIC\n' },
  'cache folders': { caches: true },
  markers: { ifPresent: ['.nobackup'] },
  'markers with headers': { ifPresent: ['.nobackup:yes', '.stop:no', 'CACHEDIR.TAG:Sig'] },
  'two markers in a folder': { ifPresent: ['.nobackup', '.stop'] },
  'a marker that a pattern excludes': { ifPresent: ['.nobackup'], excludes: ['.nobackup'] },
  'large files': { largerThan: '2k' },
  'large files by bytes': { largerThan: '0' },
  'given paths are asked about too': {
    targets: ['home/bob/code', 'home/amy/music', 'foo/x/y', 'odd/x', 'home/amy/marked/sub'],
    excludes: ['code', 'foo', 'y'],
    ifPresent: ['.nobackup'],
  },
  'paths from lists': {
    filesFrom: ' ROOT/home/*/music/*.ogg\n# no\n\nROOT/odd/\\*\nROOT/nothing*\n  ROOT/[bf]*/f?o\n',
    filesFromVerbatim: 'ROOT/odd/#hash\nROOT/odd/trail \n\nROOT/odd/[x]\n',
    filesFromRaw: 'ROOT/odd/new\nline\0ROOT/odd/not\xffutf8\0',
  },
};

const ENVIRONMENT = { SELECT_NAME: 'music', PATH: process.env.PATH, RESTIC_PASSWORD: 'x' };

let base = '';
let root = '';

before(async () => {
  base = mkdtempSync(join(tmpdir(), 'everfull-exclude-'));
  root = `${byteStringFromText(base)}/tree`;
  for (const [path, contents] of Object.entries(FILES)) {
    mkdirSync(bytesOf(posix.dirname(`${root}/${path}`)), { recursive: true });
    writeFileSync(bytesOf(`${root}/${path}`), contents);
  }
  mkdirSync(bytesOf(`${root}/empty`));
  const { exitCode, stderr } = await restic('init');
  assert.equal(exitCode, 0, `restic init: ${stderr}`);
});

after(() => rmSync(base, { recursive: true }));

describe('restic and we keep the same files', { concurrency: 2 }, () => {
  for (const [name, options] of Object.entries(CASES)) {
    test(name, async () => {
      assert.deepEqual(keptByUs(options), await keptByRestic(options, name));
    });
  }

  test('restic and we refuse the same patterns', async () => {
    const bad = ['[', '[a', '[]', '[]a]', '[a-]', '[-a]', 'a\\', 'x/[/y', '[^]', '!ok/[', '**/[a'];
    const good = ['[a]', ']', 'a-b', '[\\]]', '[!]', '[^^]', '{', '**', '!', '!!x', '\\\\', '***'];
    const { exitCode, stderr } = await restic('backup', '-n', root, ...both('--exclude', [...bad, ...good]));
    assert.equal(exitCode, 1);
    const [, listed = ''] = stderr.split('invalid pattern(s) provided:\n');
    const refused = new Set(listed.trim().split('\n'));
    for (const pattern of [...bad, ...good]) assert.equal(isRefused(pattern), refused.has(pattern), pattern);
  });
});

function isRefused(pattern: string): boolean {
  try {
    compilePatterns([pattern]);
    return false;
  } catch (error) {
    assert.ok(isEverfullError(error, 'usage'));
    return true;
  }
}

/** Runs restic on the test repository. */
function restic(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const options = { env: ENVIRONMENT, maxBuffer: 2 ** 24 };
  return new Promise((resolve) => {
    execFile('restic', ['-r', `${base}/repo`, '--no-cache', ...args], options, (error, stdout, stderr) => {
      const code = (error as ExecFileException | null)?.code ?? 0;
      resolve({
        exitCode: typeof code === 'number' ? code : -1,
        stdout,
        stderr: stderr || String(error ?? ''),
      });
    });
  });
}

function both(flag: string, values: readonly string[] = []): string[] {
  return values.flatMap((value) => [flag, value]);
}

function withRoot(text: string): string {
  return text.replaceAll('ROOT', root);
}

async function keptByRestic(options: Case, name: string): Promise<string[]> {
  const listed = (flag: string, contents: string | undefined) => {
    if (contents === undefined) return [];
    const path = `${base}/${name}${flag}`;
    writeFileSync(path, bytesOf(withRoot(contents)));
    return [flag, path];
  };
  const { exitCode, stdout, stderr } = await restic(
    ...['backup', '--dry-run', '--force', '--json', '-vv', ...targetsOf(options).given],
    ...both('--exclude', options.excludes?.map(withRoot)),
    ...both('--iexclude', options.iexcludes?.map(withRoot)),
    ...both('--exclude-if-present', options.ifPresent),
    ...listed('--exclude-file', options.excludeFile),
    ...listed('--iexclude-file', options.iexcludeFile),
    ...(options.caches ? ['--exclude-caches'] : []),
    ...(options.largerThan === undefined ? [] : ['--exclude-larger-than', options.largerThan]),
    ...listed('--files-from', options.filesFrom),
    ...listed('--files-from-verbatim', options.filesFromVerbatim),
    ...listed('--files-from-raw', options.filesFromRaw),
  );
  assert.equal(exitCode, 0, stderr);
  return stdout
    .split('\n')
    .filter((line) => line.includes('"verbose_status"'))
    .map((line) => (JSON.parse(line) as { item: string }).item.replace(/\/$/, ''))
    .filter((path) => path.startsWith(root))
    .sort();
}

function targetsOf({ targets, filesFrom, filesFromVerbatim, filesFromRaw }: Case) {
  const given = (targets ?? (filesFrom === undefined ? [''] : [])).map((path) => posix.join(root, path));
  const lists = [filesFrom, filesFromVerbatim, filesFromRaw].map((text) => bytesOf(withRoot(text ?? '')));
  return {
    given,
    fromLists: [
      ...parseFilesFrom(lists[0]!).flatMap((pattern) => expandGlob(pattern).paths),
      ...parseFilesFromVerbatim(lists[1]!),
      ...parseFilesFromRaw(lists[2]!),
    ],
  };
}

function keptByUs(options: Case): string[] {
  const patterns = (given: readonly string[] = [], file = '') => [
    ...given.map((pattern) => byteStringFromText(withRoot(pattern))),
    ...parseExcludeFile(bytesOf(withRoot(file)), ENVIRONMENT),
  ];
  const selection = new Selection({
    excludes: patterns(options.excludes, options.excludeFile),
    iexcludes: patterns(options.iexcludes, options.iexcludeFile),
    excludeIfPresent: (options.ifPresent ?? []).map(parseExcludeIfPresent),
    excludeCaches: options.caches ?? false,
    ...(options.largerThan === undefined ? {} : { excludeLargerThan: parseSize(options.largerThan) }),
  });
  const kept = new Set<ByteString>();
  const { given, fromLists } = targetsOf(options);
  for (const target of [...given, ...fromLists]) {
    for (let path = posix.dirname(target); path.startsWith(root); path = posix.dirname(path)) kept.add(path);
    if (!leavesOut(markersIn(selection, posix.dirname(target)), posix.basename(target)))
      walk(target, selection, kept);
  }
  return [...kept].map(displayText).sort();
}

function walk(path: ByteString, selection: Selection, kept: Set<ByteString>): void {
  if (selection.excludesPath(path)) return;
  const stat = lstatSync(bytesOf(path));
  if (!stat.isDirectory()) {
    if (!selection.excludesSize(stat.size)) kept.add(path);
    return;
  }
  kept.add(path);
  const markers = markersIn(selection, path);
  for (const name of namesIn(path)) {
    if (!leavesOut(markers, name)) walk(`${path}/${name}`, selection, kept);
  }
}

function namesIn(path: ByteString): ByteString[] {
  return readdirSync(bytesOf(path), { encoding: 'latin1' });
}

function markersIn(selection: Selection, folder: ByteString) {
  const names = new Set(namesIn(folder));
  return selection.markersIn(
    (name) => names.has(name),
    (name, length) => {
      const file = openSync(bytesOf(`${folder}/${name}`), 'r');
      const header = Buffer.alloc(length);
      const read = readSync(file, header, 0, length, 0);
      closeSync(file);
      return header.subarray(0, read);
    },
  );
}
