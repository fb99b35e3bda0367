import { hexOf } from '../src/base/mod.ts';
import type { Tree } from './trees.ts';

/** The repository broke a promise. */
export class Violation extends Error {}

/** What a program was told about an image. It may be more than the program meant, and never less. */
export interface KnownImage {
  /** The session that made it, or tried to. */
  readonly session: string;
  readonly tree: Tree;
  /** `tried`: nobody knows whether it exists. */
  state: 'tried' | 'acknowledged' | 'refused';
  forget: 'no' | 'tried' | 'acknowledged';
  hold: 'no' | 'acknowledged' | 'perhaps released';
}

/** All that must be true of the images of a world. */
export class Oracle {
  readonly #images = new Map<string, KnownImage>();

  /** Before a commit. */
  tries(session: Uint8Array, tree: Tree): KnownImage {
    const image: KnownImage = { session: hexOf(session), tree, state: 'tried', forget: 'no', hold: 'no' };
    this.#images.set(image.session, image);
    return image;
  }

  get images(): readonly KnownImage[] {
    return [...this.#images.values()];
  }

  /** The image of a session that a listing gave. */
  listed(session: Uint8Array): KnownImage {
    const image = this.#images.get(hexOf(session));
    if (image === undefined)
      throw new Violation(`an image of session ${hexOf(session)} is listed, which nobody made`);
    if (image.state === 'refused')
      throw new Violation(`${nameOf(image)} is listed, but its commit was refused`);
    return image;
  }

  find(session: Uint8Array): KnownImage | undefined {
    return this.#images.get(hexOf(session));
  }

  /** Whether it must be there now. */
  mustExist(image: KnownImage): boolean {
    return image.state === 'acknowledged' && image.forget === 'no';
  }

  forgotten(image: KnownImage): void {
    image.forget = 'acknowledged';
    if (image.hold === 'acknowledged')
      throw new Violation(`${nameOf(image)} was forgotten while it was held`);
  }

  held(image: KnownImage): void {
    if (image.forget === 'acknowledged')
      throw new Violation(`${nameOf(image)} was held after it was forgotten`);
    image.hold = 'acknowledged';
  }
}

export function nameOf({ session }: KnownImage): string {
  return `image ${session.slice(0, 6)}…`;
}
