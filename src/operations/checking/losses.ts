import { type ByteString, bufferOf, bytesOf, EverfullError, hexOf } from '../../base/mod.ts';
import { FrameKind } from '../../format/mod.ts';
import { type FramePlace, packName } from '../../repository/mod.ts';
import type { Findings } from './findings.ts';
import { IdTable } from './id-table.ts';

/** Stands for packs that nobody can name any more. */
const NO_PACK = 'frames that no pack has';

interface Loss {
  readonly ids: Set<ByteString>;
  readonly first: EverfullError;
}

/** Which frames cannot be read, or are doubtful, and by which object's fault. Memory: the ids of lost frames. */
export class FrameLosses {
  /** Object by frame. */
  readonly #frames = new Map<ByteString, string>();
  /** Object by pack, in hexadecimal: every frame of the pack that was not found sound is lost. */
  readonly #packs = new Map<string, string>();
  /** Packs of which each frame was read. */
  readonly #readPacks = new Set<string>();
  readonly #losses = new Map<string, Loss>();
  /** Plain bytes of the chunks that were read. */
  readonly #chunkLengths = new IdTable();

  losePack(pack: string, object: string): void {
    if (!this.#packs.has(pack)) this.#packs.set(pack, object);
  }

  chunkIsSound(id: Uint8Array, plainLength: number): void {
    this.#chunkLengths.set(id, plainLength);
  }

  packWasRead(pack: string): void {
    this.#readPacks.add(pack);
  }

  /** @param pack the pack that should have the frame, in hexadecimal */
  loseFrame(id: Uint8Array, pack: string | undefined, error: EverfullError): void {
    const object = this.#blamed(pack);
    this.#frames.set(bufferOf(id).toString('latin1'), object);
    this.#lose(id, object, error);
  }

  /** Takes back what can be read at another place. By the object at fault, how many frames. */
  async forgive(canBeRead: (id: Uint8Array) => Promise<boolean>): Promise<ReadonlyMap<string, number>> {
    const forgiven = new Map<string, number>();
    for (const [object, { ids }] of this.#losses) {
      for (const name of ids) {
        if (!(await canBeRead(bytesOf(name)))) continue;
        ids.delete(name);
        this.#frames.delete(name);
        forgiven.set(object, (forgiven.get(object) ?? 0) + 1);
      }
      if (ids.size === 0) this.#losses.delete(object);
    }
    return forgiven;
  }

  #blamed(pack: string | undefined): string {
    return pack === undefined ? NO_PACK : (this.#packs.get(pack) ?? packName(Buffer.from(pack, 'hex')));
  }

  #lose(id: Uint8Array, object: string, error: EverfullError): void {
    const name = bufferOf(id).toString('latin1');
    const loss = this.#losses.get(object);
    if (loss === undefined) this.#losses.set(object, { ids: new Set([name]), first: error });
    else loss.ids.add(name);
  }

  /** The object by whose fault a frame is lost; undefined where nothing speaks against it. */
  objectOf(id: Uint8Array, pack: Uint8Array | undefined): string | undefined {
    const object = this.#frames.get(bufferOf(id).toString('latin1'));
    if (object !== undefined || pack === undefined || this.#packs.size === 0) return object;
    const hex = hexOf(pack);
    return this.#readPacks.has(hex) ? undefined : this.#packs.get(hex);
  }

  /** The object by whose fault a slice of a chunk cannot be read; `place` is where the index has the chunk. */
  objectOfSlice(chunk: Uint8Array, end: number, place: FramePlace | undefined): string | undefined {
    const known = this.objectOf(chunk, place?.pack);
    if (known !== undefined) return known;
    const lost = (why: string) =>
      new EverfullError(
        place === undefined ? 'object-missing' : 'damaged',
        `Could not accept chunk ${hexOf(chunk).slice(0, 16)}: ${why}`,
      );
    const isWhole =
      place !== undefined && place.kind === FrameKind.chunk && place.offset + place.length <= place.packBytes;
    if (!isWhole) {
      this.loseFrame(
        chunk,
        place && hexOf(place.pack),
        lost(place === undefined ? 'no pack has it' : 'its place in the index is none of a chunk'),
      );
      return this.objectOf(chunk, place?.pack);
    }
    const length = this.#chunkLengths.get(chunk);
    if (length === undefined || end <= length) return undefined;
    // The chunk is sound: only who uses too much of it is touched.
    const object = this.#blamed(hexOf(place.pack));
    this.#lose(chunk, object, lost(`an entry uses it up to byte ${end}, and it has ${length}`));
    return object;
  }

  /** One finding for each object that lost frames. */
  report(findings: Findings): void {
    for (const [object, { ids, first }] of this.#losses) {
      const count = ids.size === 1 ? 'a frame' : `${ids.size} frames`;
      findings.add(
        'error',
        object,
        new EverfullError(first.code, `Could not read ${count} of "${object}": ${first.message}`, {
          cause: first,
          context: { frames: ids.size },
        }),
      );
    }
  }
}
