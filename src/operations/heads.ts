import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { EverfullError, errnoOf, hexOf, isEverfullError } from '../base/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';

/** The newest image of each dataset that this machine committed: by it a rolled-back repository is noticed. */
export interface RememberedHead {
  readonly sequence: number;
  /** The image's id, hexadecimal. */
  readonly image: string;
}

const FILE = 'heads.json';

/** By dataset, hexadecimal; empty where nothing is remembered. */
export function readHeads(stateFolder: string | undefined): Record<string, RememberedHead> {
  if (stateFolder === undefined) return {};
  try {
    const heads: unknown = JSON.parse(readFileSync(`${stateFolder}/${FILE}`, 'utf8'));
    return typeof heads === 'object' && heads !== null ? (heads as Record<string, RememberedHead>) : {};
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof SyntaxError)) throw error;
    return {};
  }
}

export function rememberHead(
  { stateFolder }: OperationContext,
  dataset: Uint8Array,
  image: { readonly id: Uint8Array; readonly sequence: number },
): void {
  if (stateFolder === undefined) return;
  const heads = {
    ...readHeads(stateFolder),
    [hexOf(dataset)]: { sequence: image.sequence, image: hexOf(image.id) },
  };
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  const path = `${stateFolder}/${FILE}`;
  writeFileSync(`${path}.new`, JSON.stringify(heads), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Tells when the repository's newest image is older than the one that this machine committed last. */
export async function checkHead(
  context: OperationContext,
  dataset: Uint8Array,
  newest: Image | undefined,
): Promise<void> {
  const head = readHeads(context.stateFolder)[hexOf(dataset)];
  if (head === undefined || (newest !== undefined && newest.header.sequence > head.sequence)) return;
  if (newest !== undefined && newest.header.sequence === head.sequence && hexOf(newest.id) === head.image)
    return;
  if (await isForgotten(context, dataset, head)) return;
  const found =
    newest === undefined ? 'none' : `${hexOf(newest.id).slice(0, 8)} (number ${newest.header.sequence})`;
  context.problem({
    item: hexOf(dataset),
    during: 'verify',
    error: new EverfullError(
      'forged',
      `The newest image of this dataset in the repository is ${found}, but this machine committed ${head.image.slice(0, 8)} (number ${head.sequence})`,
      {
        advice:
          'If you put back an older copy of the repository, this is expected. If not, someone removed or replaced images.',
      },
    ),
  });
}

/** Of an image that was forgotten the manifest stays, so that nobody takes it for one that was rolled back. */
async function isForgotten(
  { repository }: OperationContext,
  dataset: Uint8Array,
  head: RememberedHead,
): Promise<boolean> {
  try {
    return hexOf((await repository.readManifest(dataset, head.sequence)).id) === head.image;
  } catch (error) {
    if (isEverfullError(error)) return false;
    throw error;
  }
}
