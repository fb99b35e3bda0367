import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { type ByteString, bytesOf, errnoOf } from '../../base/mod.ts';
import { noise } from '../../chunk/testing/noise.ts';

/** One change of a tree. What cannot be done to the tree as it is, is not done. */
export type Mutation =
  | { readonly do: 'write'; readonly path: ByteString; readonly size: number; readonly seed: number }
  | { readonly do: 'sparse'; readonly path: ByteString; readonly size: number; readonly seed: number }
  | { readonly do: 'patch'; readonly path: ByteString; readonly at: number; readonly seed: number }
  | { readonly do: 'append'; readonly path: ByteString; readonly size: number; readonly seed: number }
  | { readonly do: 'touch' | 'chmod'; readonly path: ByteString; readonly seed: number }
  | { readonly do: 'folder' | 'remove'; readonly path: ByteString }
  | { readonly do: 'rename' | 'link' | 'symlink'; readonly path: ByteString; readonly to: ByteString };

const name = fc.constantFrom('a', 'b', 'a.b', 'a-', '\xff\n', 'z');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
/** Of empty, small, shared, and cut files. Few seeds, so that files are often equal. */
const size = fc.constantFrom(0, 1, 700, 5000, 90_000, 400_000, 524_287, 524_288, 900_000, 2_500_000);
const seed = fc.nat(3);

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), path, size, seed }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sparse' as const), path, size, seed }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('patch' as const), path, at: fc.nat(2_400_000), seed }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('append' as const), path, size, seed }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('touch' as const, 'chmod' as const), path, seed }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('folder' as const, 'remove' as const), path }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('rename' as const, 'link' as const, 'symlink' as const),
      path,
      to: path,
    }),
  },
);

export function mutate(root: ByteString, mutation: Mutation): void {
  const at = bytesOf(`${root}/${mutation.path}`);
  try {
    if (mutation.do !== 'remove') mkdirSync(bytesOf(dirname(at.toString('latin1'))), { recursive: true });
    switch (mutation.do) {
      case 'write':
        writeFileSync(at, noise(mutation.size, mutation.seed));
        break;
      case 'sparse': {
        const fd = openSync(at, 'w');
        ftruncateSync(fd, mutation.size);
        for (let island = 0; island * 300_000 < mutation.size - 5000; island++)
          writeSync(fd, noise(5000, mutation.seed), 0, 5000, island * 300_000);
        closeSync(fd);
        break;
      }
      case 'patch': {
        const stat = lstatSync(at);
        if (!stat.isFile() || stat.size < 10) break;
        const fd = openSync(at, 'r+');
        writeSync(fd, noise(10, mutation.seed + 100), 0, 10, mutation.at % (stat.size - 9));
        closeSync(fd);
        // Size and time as before: only the inode's own clock tells.
        if (mutation.seed === 0) utimesSync(at, stat.atime, stat.mtime);
        break;
      }
      case 'append':
        if (lstatSync(at).isFile()) appendFileSync(at, noise(mutation.size % 100_000, mutation.seed));
        break;
      case 'touch':
        if (!lstatSync(at).isSymbolicLink()) utimesSync(at, 1, mutation.seed - 1.5);
        break;
      case 'chmod':
        if (!lstatSync(at).isSymbolicLink()) chmodSync(at, 0o700 + mutation.seed * 0o1011);
        break;
      case 'folder':
        mkdirSync(at, { recursive: true });
        break;
      case 'remove':
        rmSync(at, { recursive: true, force: true });
        break;
      case 'rename':
        renameSync(at, bytesOf(`${root}/${mutation.to}`));
        break;
      case 'link':
        if (existsSync(at)) linkSync(at, bytesOf(`${root}/${mutation.to}`));
        break;
      case 'symlink':
        symlinkSync(bytesOf(mutation.to), at);
        break;
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

/** A tree in which files of all kinds are near each other, with duplicates. */
export function makeTree(root: ByteString): void {
  for (let i = 0; i < 150; i++)
    mutate(root, { do: 'write', path: `d${i % 7}/f${i}`, size: (i * 977) % 9000, seed: i % 50 });
  for (const [i, size] of [400_000, 600_000, 1_200_000, 400_000, 300_000].entries())
    mutate(root, { do: 'write', path: `d${i}/long`, size, seed: i % 3 });
  mutate(root, { do: 'sparse', path: 'sparse', size: 1_000_000, seed: 1 });
  mutate(root, { do: 'link', path: 'd1/f1', to: 'd5/again' });
  mutate(root, { do: 'link', path: 'd2/long', to: 'a-long' });
  mutate(root, { do: 'symlink', path: 'link', to: 'd1/f1' });
}
