import type { ByteString } from '../base/mod.ts';
import { folderPrefix } from '../format/mod.ts';
import { StatBuffer } from '../os/mod.ts';
import type { WalkEvents, WalkedEntry } from './walk.ts';

/** Words of a `StatBuffer` that mean something. */
const STATX_WORDS = 36;
const HEAD_WORDS = 2;
/** A batch is handed over when it has about so much: some hundred entries. */
const BATCH_BYTES = 128 * 1024;
/** And when a folder ends so long after it was begun: on a slow disk nobody waits for a full one. */
const BATCH_MS = 50;

const Kind = { folder: 0, entry: 1, ancestor: 2, failed: 3, leftOut: 4 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/**
 * Writes what a walk comes to into memory that another thread reads: records of a kind and the length of
 * a text (u32 each), for entries the stat words, then the text, filled up to whole words. The folder of
 * the entries that follow is told once.
 */
export class WalkedWriter {
  readonly #ready: (batch: Uint8Array) => void;
  #bytes = Buffer.alloc(0);
  #end = 0;
  #begun = 0;
  #folder: ByteString | undefined;

  /** @param ready takes each batch, which is its own then */
  constructor(ready: (batch: Uint8Array) => void) {
    this.#ready = ready;
  }

  entry({ name, folder, stat, isAncestor }: WalkedEntry): void {
    if (this.#folder !== folder) {
      if (this.#end > 0 && performance.now() - this.#begun > BATCH_MS) this.flush();
      this.#text(Kind.folder, folder);
      this.#folder = folder;
    }
    this.#text(isAncestor ? Kind.ancestor : Kind.entry, name, stat.words);
  }

  failed(path: ByteString, { code, message }: { readonly code: string; readonly message: string }): void {
    this.#text(Kind.failed, [path, code, Buffer.from(message).toString('latin1')].join('\0'));
  }

  leftOut(path: ByteString): void {
    this.#text(Kind.leftOut, path);
  }

  #text(kind: Kind, text: ByteString, stat?: Uint32Array): void {
    const head = HEAD_WORDS * 4 + (stat === undefined ? 0 : STATX_WORDS * 4);
    const length = head + Math.ceil(text.length / 4) * 4;
    if (this.#end + length > this.#bytes.length) {
      this.flush();
      this.#bytes = Buffer.from(new ArrayBuffer(Math.max(BATCH_BYTES, length)));
      this.#begun = performance.now();
    }
    const words = new Uint32Array(this.#bytes.buffer, this.#end, head / 4);
    words[0] = kind;
    words[1] = text.length;
    if (stat !== undefined) words.set(stat.subarray(0, STATX_WORDS), HEAD_WORDS);
    this.#bytes.write(text, this.#end + head, 'latin1');
    this.#end += length;
  }

  /** Hands over what there is. */
  flush(): void {
    if (this.#end === 0) return;
    this.#ready(new Uint8Array(this.#bytes.buffer, 0, this.#end));
    this.#bytes = Buffer.alloc(0);
    this.#end = 0;
  }
}

/** Reads what a {@link WalkedWriter} wrote, one batch after the other. */
export class WalkedReader {
  readonly #entry: WalkedEntry = {
    key: '',
    name: '',
    folder: '/',
    stat: new StatBuffer(),
    isAncestor: false,
  };
  readonly #events: WalkEvents;
  #prefix = '';

  constructor(events: WalkEvents) {
    this.#events = events;
  }

  *read(batch: Uint8Array): Generator<WalkedEntry> {
    const entry = this.#entry;
    const stat = entry.stat.words;
    const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.length);
    const words = new Uint32Array(batch.buffer, batch.byteOffset, batch.length / 4);
    for (let at = 0; at < words.length; ) {
      const kind = words[at] as Kind;
      const length = words[at + 1];
      at += HEAD_WORDS;
      if (kind === Kind.entry || kind === Kind.ancestor) {
        for (let i = 0; i < STATX_WORDS; i++) stat[i] = words[at++];
      }
      const text = bytes.toString('latin1', at * 4, at * 4 + length);
      at += Math.ceil(length / 4);
      switch (kind) {
        case Kind.folder:
          entry.folder = text;
          this.#prefix = folderPrefix(text === '/' ? '/' : text.slice(0, -1));
          break;
        case Kind.entry:
        case Kind.ancestor:
          entry.name = text;
          entry.key = text === '.' ? '' : this.#prefix + text;
          entry.isAncestor = kind === Kind.ancestor;
          yield entry;
          break;
        case Kind.failed: {
          const [path, code, message] = text.split('\0');
          this.#events.failed(path, { code, message: Buffer.from(message, 'latin1').toString() });
          break;
        }
        case Kind.leftOut:
          this.#events.leftOut(text);
          break;
      }
    }
  }
}
