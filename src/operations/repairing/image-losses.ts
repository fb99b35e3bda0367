import { hexOf } from '../../base/mod.ts';
import type { Content, Piece } from '../../format/mod.ts';
import type { TreeRoot } from '../../image/mod.ts';
import { type DamagedFrames, isLoss, type Repository, readDamaged } from '../../repository/mod.ts';
import { FrameLosses, TreeCheck } from '../checking/mod.ts';

/**
 * Which frames no pack has sound: those that the index does not have, those that are recorded as damaged
 * wherever they lie and do not open there, and nodes that cannot be read.
 */
export class ImageLosses {
  readonly #repository: Repository;
  readonly #losses: FrameLosses;
  readonly #trees: TreeCheck;

  private constructor(repository: Repository, losses: FrameLosses, checkpoint: () => void) {
    this.#repository = repository;
    this.#losses = losses;
    this.#trees = new TreeCheck(repository, losses, checkpoint, isLoss);
  }

  /** @param checkpoint called now and then; throws to end the work */
  static async open(repository: Repository, checkpoint: () => void): Promise<ImageLosses> {
    await repository.frames.refresh();
    const losses = new FrameLosses();
    const damaged = await readDamaged(repository.store);
    for (const id of damaged.ids()) {
      checkpoint();
      await tryFrame(repository, damaged, losses, id);
    }
    return new ImageLosses(repository, losses, checkpoint);
  }

  /** Whether anything of an image is lost. Each node is read once, however many images share it. */
  async touch(root: TreeRoot): Promise<boolean> {
    await this.#trees.image(root);
    return this.#trees.isTouched(root.root);
  }

  isLost({ chunk, offset, length }: Piece): boolean {
    if (chunk === undefined) return false;
    return (
      this.#losses.objectOfSlice(chunk, offset + length, this.#repository.index.find(chunk)) !== undefined
    );
  }

  /** Whether something of a content is lost. Of a tree that is known of images that {@link touch} was asked of. */
  isTouched(content: Content): boolean {
    return 'root' in content
      ? this.#trees.isTouched(content.root)
      : content.pieces.some((piece) => this.isLost(piece));
  }
}

/** A frame that is damaged in one pack may be sound in another, or open all the same: then only a table was hurt. */
async function tryFrame(
  repository: Repository,
  damaged: DamagedFrames,
  losses: FrameLosses,
  id: Uint8Array,
): Promise<void> {
  const places = repository.index.places(id);
  const [first] = places;
  if (first === undefined || places.some(({ pack }) => !damaged.has(id, pack))) return;
  try {
    await repository.frame(first.kind, id);
  } catch (error) {
    // A store that cannot be reached has lost nothing.
    if (!isLoss(error)) throw error;
    losses.loseFrame(id, hexOf(first.pack), error);
  }
}
