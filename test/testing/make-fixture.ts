/**
 * `node test/testing/make-fixture.ts FOLDER`: makes a repository of this version, with what is known of its
 * images, to be kept for ever and read by all later versions (`test/fixture.test.ts`). Run by hand, once a format.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../tools/project.ts';
import { linesOf } from './fixture.ts';
import { proseOf } from './repository-fixture.ts';

const PASSWORD = 'the password of the fixture';

const folder = process.argv[2]!;
const work = mkdtempSync(join(tmpdir(), 'everfull-fixture-'));
const source = join(work, 'source');
const environment = { ...process.env, HOME: work, EVERFULL_CACHE_DIR: join(work, 'cache') };
const password = join(work, 'password');

function everfull(...words: string[]): string {
  const program = [join(root, 'src/cli/main.ts'), '-r', join(folder, 'repository'), ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, {
    env: environment,
    encoding: 'utf8',
    input: 'a stream\n',
  });
  if (status !== 0) throw new Error(`everfull ${words.join(' ')}: ${stderr}`);
  return stdout;
}

mkdirSync(folder);
mkdirSync(source);
writeFileSync(password, PASSWORD);
everfull('--password-file', password, 'init');
const access = ['--password-file', password];
const keyFile = join(folder, 'key-file');
everfull(...access, 'key', 'add', '--new-key-file', keyFile);
const recovery = everfull(...access, 'key', 'add', '--recovery');
const expected: Record<string, readonly string[]> = {};

function backUp(...words: string[]): string {
  const printed = everfull(...access, '--json', 'backup', '--host', 'fixture', ...words, source);
  const { snapshot_id } = JSON.parse(printed.trim().split('\n').at(-1)!) as { snapshot_id: string };
  expected[snapshot_id] = linesOf(source);
  return snapshot_id;
}

for (let i = 0; i < 60; i++) writeFileSync(join(source, `small ${i}`), proseOf(i, 700));
writeFileSync(join(source, 'empty'), '');
writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0xfe, 0x20])]), 'no UTF-8');
writeFileSync(
  join(source, 'long'),
  Buffer.concat(Array.from({ length: 12 }, (_, i) => Buffer.alloc(700_000, proseOf(i, 3000)))),
);
mkdirSync(join(source, 'folder'));
symlinkSync('../long', join(source, 'folder/link'));
linkSync(join(source, 'small 1'), join(source, 'folder/hard link'));
const sparse = openSync(join(source, 'sparse'), 'w');
writeSync(sparse, 'at the end', 9_000_000);
ftruncateSync(sparse, 12_000_000);
closeSync(sparse);
utimesSync(join(source, 'folder'), 1e9, 1e9);
const first = backUp('--tag', 'first');
for (let i = 0; i < 10; i++) writeFileSync(join(source, `small ${i}`), proseOf(i + 100, 900));
rmSync(join(source, 'small 20'));
const second = backUp();
writeFileSync(join(source, 'another'), 'file');
backUp('--tag', 'third,last');
everfull(...access, 'backup', '--host', 'fixture', '--stdin', '--stdin-filename', 'stream');
delete expected[first];
everfull(...access, 'forget', first);
everfull(...access, 'hold', second, '--note', 'kept for good');
everfull('prune', '--max-unused', '0');
everfull(...access, 'export', 'latest', '-o', join(folder, 'stream'));
writeFileSync(
  join(folder, 'secrets.json'),
  JSON.stringify({ password: PASSWORD, recovery: recovery.trim().split(/\s/).at(-1) }),
);
writeFileSync(join(folder, 'expected.json'), JSON.stringify({ source, images: expected }, null, 1));
rmSync(work, { recursive: true });
