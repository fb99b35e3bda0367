import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { isEverfullError } from '../../base/mod.ts';
import { type Entry, EntryType } from '../../format/mod.ts';
import { type Image, packName } from '../../repository/mod.ts';
import type { RestoreOptions, RestoreSummary } from '../../restore/mod.ts';
import { restore } from '../restore.ts';
import { SmallRepository } from './small-repository.ts';
import { WHOLE_RESTORE } from './whole-restore.ts';

/** The time of every entry that {@link entryOf} makes. */
export const MTIME = 1_700_000_000.123;

export interface Scene {
  readonly small: SmallRepository;
  /** Holds `target`, and `outside` with a file that nothing may touch. */
  readonly folder: string;
  readonly target: string;
  readonly outside: string;
  run(image: Image, options?: Partial<RestoreOptions>, signal?: AbortSignal): Promise<RestoreSummary>;
  read(path: string): string;
  /** The codes and items of what was named since the last time. */
  named(): string[];
}

export async function sceneOf(context: TestContext): Promise<Scene> {
  const small = await SmallRepository.create();
  const folder = mkdtempSync(join(tmpdir(), 'everfull-restore-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const target = join(folder, 'target');
  const outside = join(folder, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'x'), 'untouched');
  return {
    small,
    folder,
    target,
    outside,
    run: (image, options = {}, signal = new AbortController().signal) =>
      restore(small.context({ signal }), {
        ...WHOLE_RESTORE,
        image,
        target,
        ...options,
      }),
    read: (path) => readFileSync(join(target, path), 'latin1'),
    named: () =>
      small.problems
        .splice(0)
        .map(({ item, error }) => `${isEverfullError(error) ? error.code : '?'} ${item}`),
  };
}

export function assertUntouched({ outside }: Scene): void {
  assert.deepEqual(readdirSync(outside), ['x']);
  assert.equal(readFileSync(join(outside, 'x'), 'utf8'), 'untouched');
}

/** Changes one byte in the middle of the stored chunk of `plain`. */
export function damageChunk({ small }: Scene, plain: string | Buffer): void {
  const { index, secrets } = small.repository;
  const place = index.find(secrets.chunkId(Buffer.from(plain)))!;
  const bytes = small.store.objects.get(packName(place.pack))!;
  bytes[place.offset + Math.floor(place.length / 2)]! ^= 1;
}

/** A file of these blocks, one chunk each, with other attributes than those of a file given as its text. */
export async function fileOf(
  { small }: Scene,
  blocks: readonly string[],
  changes: Partial<Entry>,
): Promise<Partial<Entry>> {
  await small.commit({ '/stored': blocks }, { dataset: 'stored' });
  const pieces = blocks.map((text) => ({
    length: text.length,
    chunk: small.repository.secrets.chunkId(Buffer.from(text)),
    offset: 0,
  }));
  return {
    type: EntryType.file,
    mode: 0o644,
    fingerprint: Buffer.alloc(32),
    content: { pieces },
    ...changes,
  };
}
