import { type Content, FrameKind, INLINE_PIECES_MAX, type Piece } from '../format/mod.ts';
import { type NodeSink, TreeBuilder } from '../image/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import type { ChunkRef } from './known-files.ts';

/** Whether the chunks or the tree that a content names directly are in the repository. */
export function refersToStored(content: Content, session: Pick<WriteSession, 'has'>): boolean {
  if ('root' in content) return session.has(content.root);
  return content.pieces.every(({ chunk }) => chunk === undefined || session.has(chunk));
}

interface DraftPiece {
  length: number;
  /** Undefined in a hole. */
  readonly chunk: ChunkRef | undefined;
  readonly offset: number;
}

/** The content of a file whose chunks may not all be sealed yet. */
export class ContentDraft {
  readonly #pieces: DraftPiece[] = [];
  /** Bytes so far. */
  length = 0;

  hole(length: number): void {
    this.#add({ length, chunk: undefined, offset: 0 });
  }

  data(length: number, chunk: ChunkRef, offset: number): void {
    this.#add({ length, chunk, offset });
  }

  #add(piece: DraftPiece): void {
    this.length += piece.length;
    const last = this.#pieces.at(-1);
    if (
      last !== undefined &&
      last.chunk === piece.chunk &&
      (piece.chunk === undefined || last.offset + last.length === piece.offset)
    ) {
      last.length += piece.length;
    } else {
      this.#pieces.push(piece);
    }
  }

  /** The content, once `settled` has waited for the ids that were missing. */
  async finish(
    boundarySeed: number,
    sink: NodeSink,
    settled: (chunk: ChunkRef) => Promise<Uint8Array>,
  ): Promise<Content> {
    const pieceOf = async ({ length, chunk, offset }: DraftPiece): Promise<Piece> => ({
      length,
      offset,
      chunk: chunk === undefined ? undefined : (chunk.id ?? (await settled(chunk))),
    });
    if (this.#pieces.length <= INLINE_PIECES_MAX) {
      const pieces: Piece[] = [];
      for (const piece of this.#pieces) pieces.push(await pieceOf(piece));
      return { pieces };
    }
    const builder = new TreeBuilder(FrameKind.contentNode, boundarySeed, sink);
    for (const piece of this.#pieces) builder.addPiece(await pieceOf(piece));
    return builder.finish();
  }
}
