import type { ByteString } from '../../base/mod.ts';
import { Selection, type SelectionOptions } from '../select/mod.ts';

/** Sees each path after the folder that it lies in was listed, and before the walk looks at it. */
export class Onlooker extends Selection {
  readonly #beforeLook: (path: ByteString) => void;

  constructor(beforeLook: (path: ByteString) => void, options?: SelectionOptions) {
    super(options);
    this.#beforeLook = beforeLook;
  }

  override excludesPath(path: ByteString): boolean {
    this.#beforeLook(path);
    return super.excludesPath(path);
  }
}

/** Does something just before the walk looks at `path`, once. */
export function justBefore(path: ByteString, act: () => void): Onlooker {
  let isDone = false;
  return new Onlooker((looked) => {
    if (isDone || looked !== path) return;
    isDone = true;
    act();
  });
}
