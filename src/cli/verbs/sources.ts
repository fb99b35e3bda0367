import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { type ByteString, byteStringFromText, EverfullError } from '../../base/mod.ts';
import {
  expandGlob,
  parseExcludeFile,
  parseExcludeIfPresent,
  parseFilesFrom,
  parseFilesFromRaw,
  parseFilesFromVerbatim,
  parseSize,
  Selection,
} from '../../capture/select/mod.ts';
import { absoluteFrom, argumentBytes } from '../opening/mod.ts';
import type { Reporter } from '../terminal/mod.ts';

export interface SelectionFlags {
  readonly exclude?: readonly string[];
  readonly iexclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly iexcludeFile?: readonly string[];
  readonly excludeCaches?: boolean;
  readonly excludeIfPresent?: readonly string[];
  readonly excludeLargerThan?: string;
  readonly oneFileSystem?: boolean;
}

export interface ListFlags {
  readonly filesFrom?: readonly string[];
  readonly filesFromVerbatim?: readonly string[];
  readonly filesFromRaw?: readonly string[];
}

/** The patterns of the command line, then those of the files. */
export function patternsOf(flags: SelectionFlags): { excludes: ByteString[]; iexcludes: ByteString[] } {
  const patternsIn = (files: readonly string[] = []) =>
    files.flatMap((file) => parseExcludeFile(readList(file)));
  return {
    excludes: [...(flags.exclude ?? []).map(argumentBytes), ...patternsIn(flags.excludeFile)],
    iexcludes: [...(flags.iexclude ?? []).map(argumentBytes), ...patternsIn(flags.iexcludeFile)],
  };
}

/** What the flags leave out, as rules, and as the manifest tells it. */
export function selectionOf(flags: SelectionFlags): {
  readonly selection: Selection;
  readonly excludes: string[];
} {
  const selection = new Selection({
    ...patternsOf(flags),
    excludeCaches: flags.excludeCaches ?? false,
    excludeIfPresent: (flags.excludeIfPresent ?? []).map((text) =>
      parseExcludeIfPresent(argumentBytes(text)),
    ),
    ...(flags.excludeLargerThan !== undefined && { excludeLargerThan: parseSize(flags.excludeLargerThan) }),
    oneFileSystem: flags.oneFileSystem ?? false,
  });
  return { selection, excludes: [...(flags.exclude ?? []), ...(flags.iexclude ?? [])] };
}

/** The paths of the command line and of the lists, absolute. Rejects with 'usage' where there is none. */
export function pathsOf(given: readonly string[], flags: ListFlags, reporter: Reporter): ByteString[] {
  const paths = given.map(argumentBytes);
  for (const file of flags.filesFrom ?? []) {
    for (const pattern of parseFilesFrom(readList(file))) {
      const { paths: found, failures } = expandGlob(pattern);
      for (const error of failures) reporter.problem({ item: pattern, during: 'scan', error });
      if (found.length === 0) reporter.warning(`pattern "${pattern}" of "${file}" fits nothing`);
      paths.push(...found);
    }
  }
  for (const file of flags.filesFromVerbatim ?? []) paths.push(...parseFilesFromVerbatim(readList(file)));
  for (const file of flags.filesFromRaw ?? []) paths.push(...parseFilesFromRaw(readList(file)));
  if (paths.length === 0) {
    throw new EverfullError('usage', 'Could not back up: no path is given', {
      advice: 'Name files or folders, or use --files-from or --stdin. See: everfull backup --help',
    });
  }
  if (paths.includes('')) throw new EverfullError('usage', 'Could not back up the path "": it is empty');
  return [...new Set(paths.map(absoluteFrom))];
}

/** A list named on the command line; `-` is standard input. */
export function readList(file: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    throw new EverfullError('io', `Could not read the list "${file}"`, {
      cause,
      advice: 'Check its path and its permissions.',
    });
  }
}

/** Bytes to be stored as one file. */
export interface Piped {
  /** Absolute: where the file stands in the image. */
  readonly filename: ByteString;
  readonly stream: AsyncIterable<Uint8Array>;
  /** Settles after the stream's end; rejects with 'source-failed' if what was read is not to be kept. */
  readonly finished?: Promise<void>;
  /** Ends what still runs, where the bytes are not wanted any more. */
  stop(): void;
}

/** Standard input as a source. */
export function standardInput(filename: string): Piped {
  if (process.stdin.isTTY)
    throw new EverfullError('usage', 'Could not back up standard input: it is the keyboard', {
      advice: 'Pipe something into it.',
    });
  return { filename: pathOfPiped(filename), stream: process.stdin, stop: () => {} };
}

/** What a command prints as a source; the command must end with 0. */
export function outputOf(words: readonly string[], filename: string, signal: AbortSignal): Piped {
  const [program, ...parameters] = words;
  if (program === undefined) {
    throw new EverfullError('usage', 'Could not back up the output of a command: none is given', {
      advice: 'everfull backup --stdin-from-command --stdin-filename db.sql -- pg_dump db',
    });
  }
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'], signal });
  const finished = new Promise<void>((resolve, reject) => {
    const failed = (state: string, cause?: unknown) =>
      reject(
        new EverfullError('source-failed', `Could not back up the output of "${program}": ${state}`, {
          cause,
          advice: 'Nothing was committed. See what the command says.',
        }),
      );
    child.on('error', (error) => failed('it could not be run', error));
    child.on('close', (code, by) =>
      code === 0 ? resolve() : failed(by === null ? `it ended with ${code}` : `it was ended by ${by}`),
    );
  });
  // Whoever reads the stream looks at it later.
  finished.catch(() => {});
  // Taken in at once: Node drops what is left in the pipe of a process that ended before anyone reads it.
  const stream = child.stdout.pipe(new PassThrough());
  return { filename: pathOfPiped(filename), stream, finished, stop: () => child.kill() };
}

function pathOfPiped(filename: string): ByteString {
  const path = absoluteFrom(`/${byteStringFromText(filename)}`);
  if (path === '/')
    throw new EverfullError('usage', `Could not store a file as "${filename}": it has no name`);
  return path;
}
