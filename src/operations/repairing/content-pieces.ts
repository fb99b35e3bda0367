import { type Content, FrameKind, INLINE_PIECES_MAX, type Piece } from '../../format/mod.ts';
import { type NodeSink, TreeBuilder } from '../../image/mod.ts';

/** Makes a content of pieces that come one after another: inline where they are few, else a tree. */
export class ContentPieces {
  readonly #seed: number;
  readonly #sink: NodeSink;
  #few: Piece[] = [];
  #builder: TreeBuilder | undefined;
  /** It may go on. */
  #last: Piece | undefined;

  constructor(seed: number, sink: NodeSink) {
    this.#seed = seed;
    this.#sink = sink;
  }

  add(piece: Piece): void {
    const last = this.#last;
    if (last !== undefined && last.chunk === undefined && piece.chunk === undefined) {
      this.#last = { ...last, length: last.length + piece.length };
      return;
    }
    this.#flush();
    this.#last = piece;
  }

  #flush(): void {
    if (this.#last === undefined) return;
    if (this.#builder === undefined && this.#few.length === INLINE_PIECES_MAX) {
      this.#builder = new TreeBuilder(FrameKind.contentNode, this.#seed, this.#sink);
      for (const piece of this.#few) this.#builder.addPiece(piece);
      this.#few = [];
    }
    if (this.#builder === undefined) this.#few.push(this.#last);
    else this.#builder.addPiece(this.#last);
    this.#last = undefined;
  }

  finish(): Content {
    this.#flush();
    return this.#builder?.finish() ?? { pieces: this.#few };
  }
}
