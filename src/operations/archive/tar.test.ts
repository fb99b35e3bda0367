import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { EntryType } from '../../format/mod.ts';
import { all, entryOf } from '../testing/small-repository.ts';
import { aclText } from './acl-text.ts';
import { type Member, tarArchive } from './mod.ts';

async function* of(...members: Partial<Member>[]): AsyncGenerator<Member> {
  for (const member of members)
    yield {
      name: 'x',
      entry: entryOf({ type: EntryType.file }),
      size: 0,
      blocks: [],
      linkTo: undefined,
      ...member,
    };
}

describe('tarArchive()', () => {
  it('says sizes, owners and times that the old fields cannot hold', async () => {
    const entry = entryOf({
      type: EntryType.file,
      uid: 4_294_967_294,
      gid: 2_097_152,
      mtimeSeconds: 2 ** 34,
      mtimeNanoseconds: 1,
    });
    // The header alone: nobody wants to write the bytes.
    const header: Uint8Array[] = [];
    for await (const block of tarArchive(of({ entry, size: 2 ** 40, blocks: [] }), () => {})) {
      header.push(block);
      break;
    }
    // GNU tar lists the member before it misses the rest.
    const listing = spawnSync('tar', ['--numeric-owner', '--full-time', '-tv', '-f', '-'], {
      input: header[0],
      env: { ...process.env, TZ: 'UTC' },
      encoding: 'utf8',
    }).stdout;
    assert.match(listing, /4294967294\/2097152 +1099511627776 2514-05-30 01:53:04\.000000001 x/);
  });

  it('writes records whose length has one digit more because of itself', async () => {
    for (let length = 101; length < 130; length++) {
      const name = 'n'.repeat(length);
      const bytes = Buffer.concat(await all(tarArchive(of({ name }), () => {})));
      assert.equal(execFileSync('tar', ['-tf', '-'], { input: bytes }).toString(), `${name}\n`);
    }
  });

  it('does not end as if all were well when a member is shorter than announced', async () => {
    await assert.rejects(
      all(tarArchive(of({ size: 10, blocks: [Buffer.from('short')] }), () => {})),
      /gave 5 bytes, not 10/,
    );
  });
});

describe('aclText()', () => {
  const acl = Buffer.from('0200000001000600ffffffff02000400e803000008000100640000001000060000000000', 'hex');

  it('writes the short text form with numeric ids', () => {
    assert.equal(aclText(acl), 'user::rw-,user:1000:r--,group:100:--x,mask::rw-');
  });

  it('gives nothing for what is no ACL', () => {
    for (const bad of [Buffer.alloc(0), acl.subarray(1), acl.subarray(0, 10), Buffer.alloc(12, 2)])
      assert.equal(aclText(bad), undefined);
  });
});
