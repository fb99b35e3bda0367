import type { ReadStream, WriteStream } from 'node:tty';
import { EverfullError } from '../../base/mod.ts';

/** Where a secret can be asked for: the keyboard, and the screen beside standard output. */
export interface Keyboard {
  readonly input: ReadStream;
  readonly screen: WriteStream;
  /** Given at Ctrl-C where the terminal itself sees it. */
  readonly signal: AbortSignal;
}

/** The keyboard of this process, or undefined where nobody sits. */
export function keyboard(signal: AbortSignal): Keyboard | undefined {
  return process.stdin.isTTY && process.stderr.isTTY
    ? { input: process.stdin as ReadStream, screen: process.stderr as WriteStream, signal }
    : undefined;
}

/**
 * Asks for a secret, which is not shown while it is typed. What was typed ahead stays for the next question.
 * Rejects with 'interrupted' at Ctrl-C, and 'no-password' at Ctrl-D or when the terminal goes away.
 */
export async function askSecret(question: string, { input, screen, signal }: Keyboard): Promise<string> {
  screen.write(question);
  input.setRawMode(true);
  try {
    const typed = new SecretLine();
    for (;;) {
      const keys = input.read() as Buffer | null;
      if (keys !== null) {
        const end = typed.take(keys);
        if (end === undefined) continue;
        if (end < keys.length) input.unshift(keys.subarray(end));
        return typed.text;
      }
      if (signal.aborted) throw interrupted();
      if (input.readableEnded) throw nothingTyped();
      await nextEvent(input, signal);
    }
  } finally {
    input.setRawMode(false);
    input.pause();
    screen.write('\n');
  }
}

/** What a terminal would do with the keys of a line, were it not in raw mode. */
export class SecretLine {
  #bytes: number[] = [];

  get text(): string {
    return Buffer.from(this.#bytes).toString('utf8');
  }

  /** How many of `keys` belong to the line, its end included, or undefined if it is not complete. Throws as {@link askSecret} rejects. */
  take(keys: Uint8Array): number | undefined {
    for (const [i, key] of keys.entries()) {
      if (key === 0x0d || key === 0x0a) return i + 1;
      if (key === 0x03) throw interrupted();
      if (key === 0x04 && this.#bytes.length === 0) throw nothingTyped();
      if (key === 0x15) this.#bytes = [];
      else if (key === 0x7f || key === 0x08) this.#removeCharacter();
      else if (key >= 0x20) this.#bytes.push(key);
    }
    return undefined;
  }

  #removeCharacter(): void {
    let last = this.#bytes.pop();
    while (last !== undefined && (last & 0xc0) === 0x80) last = this.#bytes.pop();
  }
}

/** Resolves when there may be keys, or never will be. */
function nextEvent(input: ReadStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      input.off('readable', done).off('end', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    input.on('readable', done).on('end', done);
    signal.addEventListener('abort', done);
  });
}

function interrupted(): EverfullError {
  return new EverfullError('interrupted', 'Could not go on: interrupted at the prompt');
}

function nothingTyped(): EverfullError {
  return new EverfullError('no-password', 'Could not read a password: nothing was typed');
}
