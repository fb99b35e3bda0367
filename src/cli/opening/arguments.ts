import { readFileSync } from 'node:fs';
import { type ByteString, byteStringFromText, byteStringOf, displayText } from '../../base/mod.ts';

/**
 * Arguments as the bytes that the shell passed. Node reads them as UTF-8, which loses every other name;
 * where that happened, the kernel still knows what was passed.
 *
 * @param commandLine the arguments of a process, each ended by NUL (`/proc/self/cmdline`)
 */
export function argumentReader(commandLine: () => Uint8Array): (text: string) => ByteString {
  let lost: Map<string, ByteString> | undefined;
  return (text) => {
    if (!text.includes('\ufffd')) return byteStringFromText(text);
    lost ??= new Map(
      byteStringOf(commandLine())
        .split('\0')
        // The value of `--option=value` is asked for without its name.
        .flatMap((argument) => [argument, argument.replace(/^-[^=]*=/, '')])
        .map((argument) => [displayText(argument), argument]),
    );
    return lost.get(text) ?? byteStringFromText(text);
  };
}

/** The bytes of an argument, or of an option's value, of this process. */
export const argumentBytes = argumentReader(() => readFileSync('/proc/self/cmdline'));
