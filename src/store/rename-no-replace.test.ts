import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { renameNoReplace } from './rename-no-replace.ts';

test('renameNoReplace() renames, but not onto a file, and tells one failure from another', async (t) => {
  const folder = await mkdtemp(`${tmpdir()}/everfull-rename-`);
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(`${folder}/a`, 'a');
  await writeFile(`${folder}/b`, 'b');
  await assert.rejects(renameNoReplace(`${folder}/a`, `${folder}/b`), { code: 'EEXIST' });
  await assert.rejects(renameNoReplace(`${folder}/none`, `${folder}/c`), { code: 'ENOENT' });
  // The kernel's answer to a folder that is moved into itself is that to a flag it does not know.
  await assert.rejects(renameNoReplace(folder, `${folder}/self`), { code: 'unsupported' });
  await renameNoReplace(`${folder}/a`, `${folder}/c`);
  assert.deepEqual((await readdir(folder)).sort(), ['b', 'c']);
  assert.equal(await readFile(`${folder}/b`, 'latin1'), 'b');
});
