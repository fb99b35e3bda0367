import { randomInt } from 'node:crypto';
import { bytesFromHex, EverfullError, equalBytes, hexOf, isEverfullError } from '../base/mod.ts';
import { decodeFrame } from '../format/mod.ts';
import { packName, type Repository, readDamaged, segmentName } from '../repository/mod.ts';
import {
  blame,
  checkChains,
  checkKeys,
  checkPacks,
  type Finding,
  Findings,
  FrameLosses,
  Inventory,
  type PackShape,
  readPacks,
  TreeCheck,
} from './checking/mod.ts';
import type { OperationContext } from './context.ts';
import { readHeads } from './heads.ts';
import { indexRootOf, throwIfInterrupted } from './reading.ts';

export type { Finding, TouchedImage } from './checking/mod.ts';

export interface CheckOptions {
  /** Reads every frame of every pack, too. */
  readonly readData?: boolean | undefined;
  /** Reads the frames of this share of the packs, chosen anew each time; more than 0, up to 100. */
  readonly subset?: { readonly percent: number } | undefined;
}

export interface CheckReport {
  /** Errors first, then by object. */
  readonly findings: readonly Finding[];
  readonly errors: number;
  readonly notes: number;
  readonly objects: number;
  readonly bytes: number;
  /** Images that were walked. */
  readonly images: number;
  readonly packs: number;
  readonly nodes: number;
  /** What was read for its data. */
  readonly packsRead: number;
  readonly framesRead: number;
}

/**
 * Checks a whole repository: every object opens and is where it belongs, every chain of manifests is
 * whole, every image's trees are sound, and every chunk is where the index places it; with `readData`
 * also every stored byte. What is wrong is found, not thrown: only 'interrupted', and failures of a
 * store that cannot even be listed, reject.
 */
export async function check(context: OperationContext, options: CheckOptions = {}): Promise<CheckReport> {
  const { repository, signal } = context;
  const checkpoint = () => throwIfInterrupted(signal);
  const findings = new Findings();
  const losses = new FrameLosses();
  // Before the listing: an image that is remembered was there when it began.
  const heads = readHeads(context.stateFolder);
  const inventory = await Inventory.of(repository.store);
  for (const name of inventory.strangers)
    findings.note(name, `"${name}" is none of the objects that this version knows`);
  const dataKeys = await checkKeys(repository, inventory, findings);
  const images = await checkChains(repository, inventory, findings, heads);
  checkpoint();
  const { packs, unlisted } = await checkPacks(repository, inventory, dataKeys, losses, findings);
  await findings.guard('index', () => repository.index.recover());
  const toRead = packsToRead(packs, options);
  const setup = { domainSecret: repository.keyring.domainSecret, dataKeys };
  const framesRead =
    toRead.length === 0
      ? 0
      : await readPacks(toRead, {
          repository,
          setup,
          losses,
          findings,
          checkpoint,
          progress: (bytesDone, bytesTotal, errors) =>
            context.progress({ filesDone: 0, bytesDone, bytesTotal, errors }),
        });
  for (const { id, pack } of (await readDamaged(repository.store, () => {})).places()) {
    const place = repository.index.places(id).find((candidate) => equalBytes(candidate.pack, pack));
    if (place === undefined || losses.objectOf(id, pack) !== undefined) continue;
    losses.loseFrame(
      id,
      hexOf(pack),
      new EverfullError(
        'damaged',
        `Could not accept frame ${hexOf(id).slice(0, 16)}: verify found it damaged`,
      ),
    );
  }
  await forgiveCopies(repository, losses, findings, checkpoint);
  const trees = new TreeCheck(repository, losses, checkpoint);
  for (const [i, image] of images.entries()) {
    await trees.image(indexRootOf(image));
    context.progress({
      filesDone: i + 1,
      filesTotal: images.length,
      bytesDone: 0,
      current: `image ${hexOf(image.id).slice(0, 8)}`,
      errors: 0,
    });
  }
  losses.report(findings);
  for (const image of images) {
    await findings.guard(`image ${hexOf(image.id)}`, () =>
      blame(image, indexRootOf(image), { repository, losses, trees, findings, checkpoint }),
    );
  }
  noteUnused(packs, unlisted, trees, findings);
  const found = findings.finish(images.map(({ id }) => hexOf(id)));
  const errors = found.filter(({ kind }) => kind === 'error').length;
  return {
    findings: found,
    errors,
    notes: found.length - errors,
    objects: inventory.objects,
    bytes: inventory.bytes,
    images: images.length,
    packs: packs.length,
    nodes: trees.nodes,
    packsRead: toRead.length,
    framesRead,
  };
}

/** A frame that is damaged at one place and sound at another, since a backup stored it anew, is lost to nobody. */
async function forgiveCopies(
  repository: Repository,
  losses: FrameLosses,
  findings: Findings,
  checkpoint: () => void,
): Promise<void> {
  const forgiven = await losses.forgive(async (id) => {
    checkpoint();
    if (repository.index.places(id).length < 2) return false;
    try {
      await repository.frames.fetch(id, (bytes) =>
        repository.open(bytes, decodeFrame(bytes).header.kind, id),
      );
      return true;
    } catch (error) {
      if (!isEverfullError(error, 'damaged', 'object-missing', 'forged')) throw error;
      return false;
    }
  });
  for (const [object, count] of forgiven) {
    const frames = count === 1 ? 'A frame' : `${count} frames`;
    findings.note(
      object,
      `${frames} of "${object}" are damaged, and sound in another pack: prune removes the damaged copies`,
    );
  }
}

function packsToRead(packs: readonly PackShape[], { readData, subset }: CheckOptions): readonly PackShape[] {
  if (subset === undefined) return readData ? packs : [];
  if (!(subset.percent > 0 && subset.percent <= 100))
    throw new EverfullError(
      'usage',
      `Could not read ${subset.percent} % of the packs: it is not above 0 and at most 100`,
    );
  const left = [...packs];
  const chosen: PackShape[] = [];
  for (let wanted = Math.ceil((packs.length * subset.percent) / 100); wanted > 0; wanted--)
    chosen.push(...left.splice(randomInt(left.length), 1));
  return chosen;
}

/** What an interrupted backup leaves behind is no damage; the lost segment of a pack that is used is. */
function noteUnused(
  packs: readonly PackShape[],
  unlisted: ReadonlySet<string>,
  trees: TreeCheck,
  findings: Findings,
): void {
  const unused = packs.filter(({ pack }) => !trees.usedPacks.has(pack));
  // Where a tree is broken, what is below the break only seems unused.
  if (unused.length > 0 && !trees.hasLosses) {
    const bytes = unused.reduce((sum, { bytes }) => sum + bytes, 0);
    findings.note(
      'packs',
      `${unused.length} packs (${bytes} bytes) hold nothing that an image uses: an interrupted backup leaves such, and the next one may use them`,
    );
  }
  for (const pack of unlisted) {
    const name = packName(bytesFromHex(pack));
    if (!trees.usedPacks.has(pack))
      findings.note(name, `"${name}" has no index segment: the backup that wrote it was interrupted there`);
    else
      findings.missing(
        segmentName(bytesFromHex(pack)),
        `images use "${name}"; nothing is lost, since that pack has its own table, but looking things up takes longer`,
      );
  }
}
