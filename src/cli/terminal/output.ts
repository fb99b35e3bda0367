import type { Writable } from 'node:stream';
import { type ByteString, byteStringFromText, bytesOf } from '../../base/mod.ts';
import { escapePath } from './text.ts';

/** Enough that a write costs little beside what it carries. */
const BATCH_BYTES = 64 * 1024;

/** What a verb prints on standard output: text, paths as their bytes, JSON. Written in batches, in order. */
export class Output {
  readonly isTerminal: boolean;
  readonly #stream: Writable;
  readonly #beforeWrite: () => void;
  #parts: ByteString[] = [];
  #length = 0;

  /** @param beforeWrite clears what may stand in the way on the terminal */
  constructor(stream: Writable & { readonly isTTY?: boolean }, beforeWrite: () => void = () => {}) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    this.#beforeWrite = beforeWrite;
  }

  /** A path to be printed: its own bytes, or made harmless for a terminal. */
  path(path: ByteString): ByteString {
    return this.isTerminal ? byteStringFromText(escapePath(path)) : path;
  }

  /** Takes a line whose text is already bytes (see {@link path}). Resolves when there is room for more. */
  byteLine(line: ByteString): Promise<void> | undefined {
    this.#parts.push(line, '\n');
    this.#length += line.length + 1;
    return this.isTerminal || this.#length >= BATCH_BYTES ? this.flush() : undefined;
  }

  /** Takes a line of text. */
  line(text = ''): Promise<void> | undefined {
    return this.byteLine(byteStringFromText(text));
  }

  /** Takes a value as one line of JSON. */
  json(value: unknown): Promise<void> | undefined {
    return this.line(JSON.stringify(value));
  }

  /** Writes bytes as they are, after everything before them. */
  async bytes(bytes: Uint8Array): Promise<void> {
    await this.flush();
    await this.#write(bytes);
  }

  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const batch = bytesOf(this.#parts.join(''));
    this.#parts = [];
    this.#length = 0;
    await this.#write(batch);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#beforeWrite();
    if (!this.#stream.write(bytes) && !this.#stream.destroyed) await roomIn(this.#stream);
  }
}

const ROOM_EVENTS = ['drain', 'error', 'close'];

/** Resolves when more can be written, or when it is of no use: the program itself listens for errors. */
function roomIn(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ROOM_EVENTS) stream.off(event, done);
      resolve();
    };
    for (const event of ROOM_EVENTS) stream.on(event, done);
  });
}
