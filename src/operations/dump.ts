import { type ByteString, displayText, EverfullError, isEverfullError } from '../base/mod.ts';
import { type Content, contentLength, type Entry, EntryType } from '../format/mod.ts';
import type { ImageReader } from '../image/mod.ts';
import type { Image } from '../repository/mod.ts';
import { type Member, tarArchive, zipArchive } from './archive/mod.ts';
import type { OperationContext } from './context.ts';
import { pinned } from './pinned.ts';
import { entryAt, readerOf, throwIfInterrupted, untilInterrupted } from './reading.ts';

export const ARCHIVE_FORMATS = ['tar', 'zip'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];

/** In bytes of the file. */
export interface DumpRange {
  readonly offset: number;
  readonly length: number;
}

/** A file up to this size is read whole before it goes into an archive; a longer one is read twice. */
const WHOLE_BYTES_MAX = 8 * 1024 * 1024;

/** A short dump is over before any collection could take something away. */
const PIN_AFTER_MS = 1000;

/**
 * The bytes of a file of an image, or a range of them; one that reaches beyond the end stops there.
 * Blocks are views of shared memory. Rejects with 'usage' for what is no file, and with 'damaged' or
 * 'object-missing' once it comes to bytes that cannot be read.
 */
export async function* dumpFile(
  context: OperationContext,
  image: Image,
  path: ByteString,
  range?: DumpRange,
): AsyncGenerator<Uint8Array> {
  await using _ = await pinned(context, image, { afterMs: PIN_AFTER_MS });
  const reader = readerOf(context.repository, image);
  const entry = await entryAt(reader, image, path);
  if (entry.type !== EntryType.file) {
    throw new EverfullError('usage', `Could not dump "${displayText(path)}": it is no file`, {
      advice: 'Dump folders as an archive: --archive tar',
    });
  }
  yield* untilInterrupted(context.signal, reader.readRange(entry.content!, range?.offset, range?.length));
}

/**
 * `path` and everything below it as an archive, in pieces. Names are relative to `path`, as in a restore
 * of `IMAGE:PATH`; without a path they are the stored paths without their first slash.
 *
 * A file that cannot be read whole is left out and reported; once the archive is complete, the generator
 * throws 'damaged'. No part of such a file is ever in the archive.
 */
export async function* dumpArchive(
  context: OperationContext,
  image: Image,
  path: ByteString | undefined,
  format: ArchiveFormat,
): AsyncGenerator<Uint8Array> {
  await using _ = await pinned(context, image, { afterMs: PIN_AFTER_MS });
  // Zip knows no hard links: it gets every member's bytes.
  const members = new Members(context, image, path ?? '/', { withLinked: format === 'zip' });
  const leftOut = ({ name }: Member) =>
    context.notice(`"${displayText(name)}" was left out: a ${format} archive cannot hold it`);
  yield* (format === 'tar' ? tarArchive : zipArchive)(members.all(), leftOut);
  if (members.damaged === 0) return;
  throw new EverfullError(
    'damaged',
    `Could not dump ${members.damaged} of the files: they cannot be read whole, and are not in the archive`,
    {
      context: { files: members.damaged },
      advice: 'What can still be read of them comes out with: everfull restore --partial',
    },
  );
}

class Members {
  readonly #context: OperationContext;
  readonly #image: Image;
  readonly #top: ByteString;
  readonly #reader: ImageReader;
  readonly #withLinked: boolean;
  /** The first member of each group of hard links. */
  readonly #links = new Map<ByteString, ByteString>();
  damaged = 0;

  constructor(
    context: OperationContext,
    image: Image,
    top: ByteString,
    options: { readonly withLinked: boolean },
  ) {
    this.#context = context;
    this.#image = image;
    this.#top = top;
    this.#reader = readerOf(context.repository, image);
    this.#withLinked = options.withLinked;
  }

  async *all(): AsyncGenerator<Member> {
    const skip = await this.#bytesToSkip();
    for await (const { path, entry } of this.#reader.walk(this.#top)) {
      throwIfInterrupted(this.#context.signal);
      const member = await this.#member(path, path.slice(skip), entry);
      if (member !== undefined) yield member;
    }
  }

  /** How much of a path comes before its name in the archive. */
  async #bytesToSkip(): Promise<number> {
    if (this.#top === '/') return 1;
    const { type } = await entryAt(this.#reader, this.#image, this.#top);
    return type === EntryType.folder ? this.#top.length + 1 : this.#top.lastIndexOf('/') + 1;
  }

  async #member(path: ByteString, name: ByteString, entry: Entry): Promise<Member | undefined> {
    const { linkGroup, content } = entry;
    const linkTo = linkGroup === undefined ? undefined : this.#links.get(linkGroup);
    if (content === undefined || (linkTo !== undefined && !this.#withLinked)) {
      if (linkGroup !== undefined && linkTo === undefined) this.#links.set(linkGroup, name);
      return { name, entry, size: 0, blocks: [], linkTo };
    }
    try {
      const blocks = await this.#blocks(content);
      if (linkGroup !== undefined && linkTo === undefined) this.#links.set(linkGroup, name);
      return { name, entry, size: contentLength(content), blocks, linkTo };
    } catch (error) {
      if (!isEverfullError(error, 'damaged', 'object-missing')) throw error;
      this.damaged++;
      this.#context.problem({ item: displayText(path), during: 'read', error });
      return undefined;
    }
  }

  /** The bytes of a content that was found to be readable. */
  async #blocks(content: Content): Promise<Member['blocks']> {
    const blocks: Uint8Array[] = [];
    const isShort = contentLength(content) <= WHOLE_BYTES_MAX;
    for await (const block of this.#reader.readRange(content)) {
      throwIfInterrupted(this.#context.signal);
      if (isShort) blocks.push(block);
    }
    return isShort ? blocks : this.#reader.readRange(content);
  }
}
