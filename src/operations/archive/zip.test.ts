import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { EntryType } from '../../format/mod.ts';
import { all, entryOf } from '../testing/small-repository.ts';
import { type Member, zipArchive } from './mod.ts';

describe('zipArchive()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-zip-'));
  after(() => rmSync(folder, { recursive: true }));

  async function python(members: AsyncIterable<Member>, script: string): Promise<string> {
    const file = join(folder, 'test.zip');
    writeFileSync(file, Buffer.concat(await all(zipArchive(members, () => {}))));
    return execFileSync('python3', [
      '-c',
      `import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n${script}`,
      file,
    ]).toString();
  }

  it('uses the fields of eight bytes for a member that may need them, and for many members', async () => {
    async function* members(): AsyncGenerator<Member> {
      for (let i = 0; i < 66_000; i++)
        yield { name: `${i}`, entry: entryOf({}), size: 0, blocks: [], linkTo: undefined };
      // As if it were long: what is announced decides on the fields, what comes is what counts.
      yield {
        name: 'long',
        entry: entryOf({ type: EntryType.file }),
        size: 2 ** 33,
        blocks: [Buffer.from('so '), Buffer.from('long')],
        linkTo: undefined,
      };
      yield {
        name: 'short',
        entry: entryOf({ type: EntryType.file }),
        size: 5,
        blocks: [Buffer.from('short')],
        linkTo: undefined,
      };
    }
    assert.equal(
      await python(
        members(),
        'print(len(z.infolist()), z.read("long"), z.read("short"), z.getinfo("long").extract_version)',
      ),
      "66002 b'so long' b'short' 45\n",
    );
  });

  it('keeps times within what zip can say', async () => {
    async function* members(): AsyncGenerator<Member> {
      for (const [name, mtimeSeconds] of [
        ['old', -1e10],
        ['epoch', 0],
        ['new', 1_700_000_000],
        ['far', 1e11],
      ] as const) {
        yield {
          name,
          entry: entryOf({ type: EntryType.symlink, target: 'x', mtimeSeconds }),
          size: 0,
          blocks: [],
          linkTo: undefined,
        };
      }
    }
    const years = await python(members(), 'print([i.date_time[0] for i in z.infolist()])');
    assert.equal(years, '[1980, 1980, 2023, 2107]\n');
  });

  it('fails when the bytes of a member fail', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('begun');
      throw new Error('lost');
    }
    async function* members(): AsyncGenerator<Member> {
      yield {
        name: 'x',
        entry: entryOf({ type: EntryType.file }),
        size: 10,
        blocks: broken(),
        linkTo: undefined,
      };
    }
    await assert.rejects(all(zipArchive(members(), () => {})), /lost/);
  });
});
