import type { ByteString } from '../../base/mod.ts';
import type { Entry } from '../../format/mod.ts';

/** One entry of an image on its way into an archive. */
export interface Member {
  /** Relative, without a slash at the end; empty for the folder that the archive is of. */
  readonly name: ByteString;
  readonly entry: Entry;
  /** Bytes of a file, and the bytes themselves; nothing for everything else. */
  readonly size: number;
  readonly blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** The name of an earlier member that is the same inode. */
  readonly linkTo: ByteString | undefined;
}
