import { existsSync, statSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { type ByteString, bytesOf, displayText, EverfullError, errnoOf } from '../../base/mod.ts';
import { type ExportSummary, loadExport, loadImages } from '../../operations/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { formatBytes, fractionDone, type ProgressNumbers } from '../terminal/mod.ts';
import { filterOf, type ImageFlags, shortId, withImageChoice } from './image-options.ts';
import type { Begin } from './verb.ts';

interface ExportFlags extends ImageFlags {
  readonly base?: string;
  readonly output: string;
}

type Write = (bytes: Uint8Array) => Promise<void>;

const HELP = `
The file holds the image as it is stored, sealed. It is imported into a repository with the same secrets,
which "init --secrets-from" makes. With --base it holds what that image has not, and is imported where that
image is.

Examples:
  $ everfull export latest -o full.everfull
  $ everfull export latest --base 4f1c -o changes.everfull
  $ everfull export latest | ssh host everfull -r /srv/backup import -`;

export function define(command: Command, begin: Begin): void {
  withImageChoice(command.argument('<image>', 'the image'))
    .option('--base <image>', 'leave out what this image has, too')
    .option('-o, --output <file>', 'the new file; - is standard output', '-')
    .addHelpText('after', HELP)
    .action(async (image: string, flags: ExportFlags) => exportVerb(begin(command), image, flags));
}

async function exportVerb(run: Run, spec: string, flags: ExportFlags): Promise<void> {
  const { output, reporter, settings } = run;
  const toOutput = flags.output === '-';
  if (toOutput && output.isTerminal) {
    throw new EverfullError('usage', 'Could not export: standard output is a terminal', {
      advice: 'Name a file with -o FILE, or send it into a pipe.',
    });
  }
  // Loaded while a password is worked on.
  const [{ context }, images, { exportImage }] = await Promise.all([run.open(), loadImages(), loadExport()]);
  const resolve = async (name: string): Promise<Image> => {
    const { image, path } = await images.resolveImage(context, argumentBytes(name), filterOf(flags));
    if (path === undefined) return image;
    throw new EverfullError(
      'usage',
      `Could not export "${name}": an image is exported whole, not a path of it`,
    );
  };
  const image = await resolve(spec);
  const base = flags.base === undefined ? undefined : await resolve(flags.base);
  // Standard output is the stream's.
  if (!toOutput) reporter.statusOf = streamStatusJson;
  const work = (write: Write) => exportImage(context, image, { base, write });
  const summary = await (toOutput ? toStandardOutput(run, work) : toFile(argumentBytes(flags.output), work));
  reporter.clear();
  const print = toOutput
    ? (line: string) => void process.stderr.write(`${line}\n`)
    : (line: string) => void output.line(line);
  if (settings.json) print(JSON.stringify(summaryJson(summary)));
  else if (!settings.quiet) print(summaryText(summary));
}

/** What is written when nobody reads is written in vain, and not done. */
async function toStandardOutput<T>({ output }: Run, work: (write: Write) => Promise<T>): Promise<T> {
  let failure: Error | undefined;
  process.stdout.on('error', (error) => {
    failure = error;
  });
  return work(async (bytes) => {
    // Bytes may lie in memory that is used again while the pipe is not ready.
    await output.bytes(Buffer.from(bytes));
    if (failure !== undefined)
      throw new EverfullError('io', 'Could not write to standard output: it was closed', { cause: failure });
  });
}

/** The file is there when all of it is, on disk; until then it has another name. Anything but a file is written to as it is. */
async function toFile<T>(path: ByteString, work: (write: Write) => Promise<T>): Promise<T> {
  const name = displayText(path);
  const isThere = existsSync(bytesOf(path));
  const isFile = !isThere || statSync(bytesOf(path)).isFile();
  if (isThere && isFile) {
    throw new EverfullError('target', `Could not write "${name}": there is a file of that name`, {
      advice: 'Choose another name, or remove it.',
    });
  }
  const written = isFile ? `${path}.partial` : path;
  try {
    const file = await open(bytesOf(written), 'w', 0o600);
    try {
      const result = await work((bytes) => file.appendFile(bytes));
      if (isFile) await file.sync();
      await file.close();
      if (isFile) await putInPlace(written, path);
      return result;
    } catch (error) {
      await file.close().catch(() => {});
      if (isFile) await rm(bytesOf(written), { force: true });
      throw error;
    }
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw new EverfullError(errno === 'ENOSPC' ? 'disk-full' : 'io', `Could not write "${name}"`, {
      cause: error,
    });
  }
}

async function putInPlace(written: ByteString, path: ByteString): Promise<void> {
  await rename(bytesOf(written), bytesOf(path));
  const folder: FileHandle = await open(bytesOf(dirname(path)), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** How far a stream is. */
export function streamStatusJson(progress: ProgressNumbers, secondsElapsed: number): object {
  return {
    message_type: 'status',
    seconds_elapsed: secondsElapsed,
    percent_done: fractionDone(progress) ?? 0,
    files_done: progress.filesDone,
    bytes_done: progress.bytesDone,
  };
}

function summaryJson({ image, base, chunks, nodes, references, segments, bytes }: ExportSummary): object {
  return {
    message_type: 'summary',
    image,
    ...(base !== undefined && { base }),
    data_blobs: chunks,
    tree_blobs: nodes,
    references,
    segments,
    bytes,
  };
}

function summaryText({ image, base, chunks, nodes, references, bytes }: ExportSummary): string {
  const against = base === undefined ? '' : ` against ${shortId(base)}`;
  return `exported image ${shortId(image)}${against}: ${formatBytes(bytes)}, ${chunks} chunks, ${nodes} nodes, ${references} references`;
}
