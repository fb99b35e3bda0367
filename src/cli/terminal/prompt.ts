import { once } from 'node:events';
import type { ReadStream, WriteStream } from 'node:tty';
import { EverfullError } from '../../base/mod.ts';

/** Where a secret can be asked for: the keyboard, and the screen beside standard output. */
export interface Keyboard {
  readonly input: ReadStream;
  readonly screen: WriteStream;
}

/** The keyboard of this process, or undefined where nobody sits. */
export function keyboard(): Keyboard | undefined {
  return process.stdin.isTTY && process.stderr.isTTY
    ? { input: process.stdin as ReadStream, screen: process.stderr as WriteStream }
    : undefined;
}

/**
 * Asks for a secret, which is not shown while it is typed.
 * Rejects with 'interrupted' at Ctrl-C, and 'no-password' at Ctrl-D or when the terminal goes away.
 */
export async function askSecret(question: string, { input, screen }: Keyboard): Promise<string> {
  screen.write(question);
  input.setRawMode(true);
  try {
    const typed = new SecretLine();
    for (;;) {
      const [bytes] = (await Promise.race([once(input, 'data'), once(input, 'end')])) as [Buffer?];
      if (bytes === undefined) throw nothingTyped();
      const line = typed.take(bytes);
      if (line !== undefined) return line;
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

  /** The line when it is complete. Throws as {@link askSecret} rejects. */
  take(keys: Uint8Array): string | undefined {
    for (const key of keys) {
      if (key === 0x0d || key === 0x0a) return Buffer.from(this.#bytes).toString('utf8');
      if (key === 0x03) throw new EverfullError('interrupted', 'Could not go on: interrupted at the prompt');
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

function nothingTyped(): EverfullError {
  return new EverfullError('no-password', 'Could not read a password: nothing was typed');
}
