import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Entry, EntryType } from '../format/mod.ts';
import type { Image } from '../repository/mod.ts';
import { type ArchiveFormat, dumpArchive, dumpFile } from './dump.ts';
import { readerOf } from './reading.ts';
import { all, SmallRepository } from './testing/small-repository.ts';

const long = Array.from({ length: 40 }, (_, i) => Buffer.alloc(300_000, i));
const deep = `/d/${'long component '.repeat(15)}/${'x'.repeat(200)}`;
const acl = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000600ffffffff20000400ffffffff',
  'hex',
);
const items = {
  '/d/empty': '',
  '/d/text': 'some text\n',
  '/d/long': [...long, 1_000_000, 'end'],
  '/d/sub/-dash': 'x',
  '/d/new\nline': 'y',
  [deep]: 'deep',
  '/d/caf\xc3\xa9': 'utf-8',
  '/d/not utf-8 \xff': 'binary',
  '/d/to-bytes': { type: EntryType.symlink, target: 'not utf-8 \xff' },
  '/d/to-far': { type: EntryType.symlink, target: 'z'.repeat(300) },
  '/d/pipe': { type: EntryType.fifo, mode: 0o600 },
  '/d/disk': { type: EntryType.blockDevice, mode: 0o660, deviceMajor: 259, deviceMinor: 70_000 },
  '/d/socket': { type: EntryType.socket },
  '/d/old': { mtimeSeconds: -2, mtimeNanoseconds: 250_000_000, mode: 0o1777, uid: 3_000_000, gid: 5 },
  '/other/file': 'other',
};

describe('dump', () => {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-dump-'));
  let small: SmallRepository;
  let image: Image;

  before(async () => {
    small = await SmallRepository.create();
    // Hard links, and a file with attributes, need a content that is there already.
    const first = await small.commit(items);
    const text = await entryOf(first, '/d/text');
    const linked = { ...text, linkGroup: '/d/hard' };
    const xattrs = [
      {
        name: 'security.capability',
        value: Buffer.from('010000020004000000000000000000000000000000', 'hex').subarray(0, 20),
      },
      { name: 'system.posix_acl_access', value: acl },
      { name: 'user.a=b%c', value: Buffer.from('\0binary\n\xff', 'latin1') },
    ];
    const links = { type: EntryType.symlink, target: 'text', linkGroup: '/d/soft' };
    image = await small.commit({
      ...items,
      '/d/hard': linked,
      '/d/sub/hard too': linked,
      '/d/soft': links,
      '/d/sub/soft': links,
      '/d/attributes': { ...text, xattrs },
    });
  });

  after(() => rmSync(folder, { recursive: true }));

  async function entryOf(image: Image, path: string): Promise<Entry> {
    return (await readerOf(small.repository, image).lookUp(path))!;
  }

  const bytes = async (path: string, range?: { offset: number; length: number }) =>
    Buffer.concat(await all(dumpFile(small.context(), image, path, range)));

  async function archive(
    format: ArchiveFormat,
    path: string | undefined,
    name: string,
    of = image,
  ): Promise<string> {
    const file = join(folder, name);
    writeFileSync(file, Buffer.concat(await all(dumpArchive(small.context(), of, path, format))));
    return file;
  }

  function unpacked(file: string, ...options: string[]): string {
    const target = mkdtempSync(join(folder, 'out-'));
    execFileSync(
      'tar',
      [
        '-x',
        '-p',
        '--numeric-owner',
        '--xattrs',
        '--xattrs-include=*',
        '--acls',
        ...options,
        '-f',
        file,
        '-C',
        target,
      ],
      { stdio: ['ignore', 'inherit', 'pipe'] },
    );
    return target;
  }

  it('dumpFile() gives a file, or a range of it', async () => {
    const whole = Buffer.concat([...long, Buffer.alloc(1_000_000), Buffer.from('end')]);
    assert.ok((await bytes('/d/long')).equals(whole));
    assert.ok((await bytes('/d/long', { offset: 299_999, length: 3 })).equals(Buffer.from([0, 1, 1])));
    assert.equal((await bytes('/d/long', { offset: whole.length - 2, length: 100 })).toString(), 'nd');
    assert.equal((await bytes('/d/long', { offset: whole.length + 5, length: 100 })).length, 0);
    assert.equal((await bytes('/d/empty')).length, 0);
  });

  it('dumpFile() refuses what is no file or is not there', async () => {
    await assert.rejects(bytes('/d'), { code: 'usage', message: /"\/d": it is no file/ });
    await assert.rejects(bytes('/nothing'), { code: 'path-missing' });
  });

  it('dumpFile() gives what comes before a lost chunk, and then rejects', async () => {
    const lost = await SmallRepository.create();
    const image = await lost.commit({ '/f': ['one', Buffer.alloc(200_000, 'lost'), 'two'] });
    damageChunk(lost, Buffer.alloc(200_000, 'lost'));
    const blocks: string[] = [];
    await assert.rejects(
      async () => {
        for await (const block of dumpFile(await lost.reopen(), image, '/f'))
          blocks.push(Buffer.from(block).toString());
      },
      { code: 'damaged' },
    );
    assert.deepEqual(blocks, ['one']);
  });

  it('dumpArchive() makes a tar that GNU tar unpacks with every attribute', async () => {
    const target = unpacked(await archive('tar', '/d', 'd.tar'));
    const at = (name: string) => Buffer.concat([Buffer.from(`${target}/`), Buffer.from(name, 'latin1')]);
    for (const [path, item] of Object.entries(items)) {
      if (!path.startsWith('/d/') || (typeof item !== 'string' && !Array.isArray(item))) continue;
      if (path === deep) continue;
      const expected =
        typeof item === 'string'
          ? Buffer.from(item)
          : Buffer.concat([...long, Buffer.alloc(1_000_000), Buffer.from('end')]);
      assert.ok(readFileSync(at(path.slice(3))).equals(expected), path);
    }
    assert.equal(readFileSync(at(deep.slice(3)), 'utf8'), 'deep');
    assert.deepEqual(readlinkSync(at('to-bytes'), 'buffer'), Buffer.from('not utf-8 \xff', 'latin1'));
    assert.equal(readlinkSync(at('to-far')), 'z'.repeat(300));
    assert.ok(lstatSync(at('pipe')).isFIFO());
    assert.equal(lstatSync(at('hard')).ino, lstatSync(at('sub/hard too')).ino);
    assert.equal(lstatSync(at('soft')).ino, lstatSync(at('sub/soft')).ino);
    const old = lstatSync(at('old'), { bigint: true });
    assert.equal(old.mtimeNs, -1_750_000_000n);
    assert.equal(statSync(at('text'), { bigint: true }).mtimeNs, 1_700_000_000_123_456_789n);
    assert.equal(Number(old.mode) & 0o7777, 0o1777);
    assert.deepEqual(small.notices.splice(0), ['"socket" was left out: a tar archive cannot hold it']);
    if (process.getuid!() !== 0) return;
    assert.deepEqual([Number(old.uid), Number(old.gid)], [3_000_000, 5]);
    const disk = lstatSync(at('disk'));
    assert.ok(disk.isBlockDevice());
    const value = (name: string) =>
      execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', name, join(target, 'attributes')]);
    assert.equal(value('user.a=b%c').toString('latin1'), '\0binary\n\xff');
    assert.equal(value('security.capability').length, 20);
    assert.match(
      execFileSync('getfacl', ['-cnp', join(target, 'attributes')], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }).toString(),
      /^user::rw-\nuser:1000:r--\ngroup::r--\nmask::rw-\nother::r--\n/,
    );
  });

  it('dumpArchive() names members relative to a path, and the whole image from its root', async () => {
    const names = (file: string) => execFileSync('tar', ['-tf', file]).toString().split('\n');
    const whole = names(await archive('tar', undefined, 'whole.tar'));
    assert.ok(whole.includes('./') && whole.includes('d/text') && whole.includes('other/file'));
    assert.deepEqual(names(await archive('tar', '/other', 'other.tar')), ['./', 'file', '']);
    assert.deepEqual(names(await archive('tar', '/other/file', 'file.tar')), ['file', '']);
    await assert.rejects(archive('tar', '/nothing', 'nothing.tar'), { code: 'path-missing' });
    small.notices.splice(0);
  });

  it('dumpArchive() makes a zip that unzip and Python take for sound', async () => {
    const file = await archive('zip', '/d', 'd.zip');
    assert.match(execFileSync('unzip', ['-tqq', file]).toString(), /^$|No errors/);
    const script = `
import sys, zipfile, json
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps({i.filename: [i.file_size, i.external_attr >> 16, z.read(i)[:20].decode('latin1')] for i in z.infolist()}))`;
    const found = JSON.parse(execFileSync('python3', ['-c', script, file]).toString());
    assert.deepEqual(found.text, [10, 0o100644, 'some text\n']);
    assert.deepEqual(found.empty, [0, 0o100644, '']);
    assert.deepEqual(found.café, [5, 0o100644, 'utf-8']);
    assert.deepEqual(found['sub/'], [0, 0o040755, '']);
    assert.deepEqual(found['to-far'], [300, 0o120755, 'z'.repeat(20)]);
    assert.deepEqual(found['sub/hard too'], [10, 0o100644, 'some text\n']);
    assert.equal(found.long[0], 13_000_003);
    assert.deepEqual(
      small.notices.splice(0).map((notice) => notice.split('"')[1]),
      ['disk', 'pipe', 'socket'],
    );
  });

  for (const format of ['tar', 'zip'] as const) {
    it(`dumpArchive() leaves a file that cannot be read out of a ${format}, gives the rest, and then fails`, async () => {
      const lost = await SmallRepository.create();
      const big = Array.from({ length: 100 }, (_, i) => Buffer.alloc(100_000, `${i}`));
      const image = await lost.commit({
        '/f/bad': ['sound', Buffer.alloc(200_000, 'lost')],
        '/f/big': [...big, Buffer.alloc(200_000, 'lost')],
        '/f/good': 'good',
      });
      damageChunk(lost, Buffer.alloc(200_000, 'lost'));
      const blocks: Uint8Array[] = [];
      await assert.rejects(
        async () => {
          for await (const block of dumpArchive(await lost.reopen(), image, '/f', format))
            blocks.push(Buffer.from(block));
        },
        { code: 'damaged', message: /2 of the files/ },
      );
      assert.deepEqual(
        lost.problems.map(({ item, during }) => [item, during]),
        [
          ['/f/bad', 'read'],
          ['/f/big', 'read'],
        ],
      );
      const file = join(folder, `damaged.${format}`);
      writeFileSync(file, Buffer.concat(blocks));
      const list =
        format === 'tar' ? execFileSync('tar', ['-tf', file]) : execFileSync('unzip', ['-Z1', file]);
      assert.deepEqual(
        list
          .toString()
          .split('\n')
          .filter((name) => name !== './' && name !== ''),
        ['good'],
      );
    });
  }
});

/** Flips a byte of the stored frame of a chunk. */
function damageChunk(small: SmallRepository, plain: Buffer): void {
  const { pack, offset, length } = small.repository.index.find(small.repository.secrets.chunkId(plain))!;
  const hex = Buffer.from(pack).toString('hex');
  small.store.objects.get(`packs/${hex.slice(0, 2)}/${hex}`)![offset + length - 1]! ^= 1;
}
