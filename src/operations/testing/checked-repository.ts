import { type Image, packName } from '../../repository/mod.ts';
import { type CheckOptions, type CheckReport, check } from '../check.ts';
import { type Item, SmallRepository } from './small-repository.ts';

export const block = (name: string | number): Buffer => Buffer.alloc(70_000, `block ${name} `);
export const manyBlocks: readonly string[] = Array.from({ length: 400 }, (_, i) => `piece ${i}`);

/** The errors of a report: each object, with the ids of the images that it touches and their paths. */
export function errorsOf({ findings }: Pick<CheckReport, 'findings'>) {
  return findings
    .filter(({ kind }) => kind === 'error')
    .map(({ object, images }) => ({ object, images: images.map(({ id, paths }) => [id, ...paths]) }));
}

export function packOf(small: SmallRepository, id: Uint8Array): string {
  return packName(small.repository.index.find(id)!.pack);
}

export function flip(small: SmallRepository, name: string, at: number): void {
  const bytes = Buffer.from(small.store.objects.get(name)!);
  bytes[at]! ^= 0x40;
  small.store.objects.set(name, bytes);
}

/** Flips a byte in the stored frame of a chunk. The name of its pack. */
export function damageChunk(small: SmallRepository, plain: Buffer | string): string {
  const { pack, offset, length } = small.repository.index.find(
    small.repository.secrets.chunkId(Buffer.from(plain)),
  )!;
  flip(small, packName(pack), offset + length - 1);
  return packName(pack);
}

/** Two images of one dataset and one of another. */
export async function withImages(): Promise<{ small: SmallRepository; images: Image[] }> {
  const small = await SmallRepository.create();
  const items: Record<string, Item> = { '/a/one': 'one', '/a/two': ['two', block(1)], '/b/long': manyBlocks };
  const images = [
    await small.commit(items),
    await small.commit({ ...items, '/a/three': block(2).toString() }),
    await small.commit({ '/x': 'other' }, { dataset: 'other', host: 'other' }),
  ];
  return { small, images };
}

/** What a check in another process finds. */
export async function checked(
  small: SmallRepository,
  options: CheckOptions = {},
  stateFolder?: string,
): Promise<CheckReport> {
  return check({ ...(await small.reopen()), stateFolder }, options);
}
