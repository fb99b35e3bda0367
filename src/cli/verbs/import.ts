import { open } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import type { Command } from 'commander';
import { type ByteString, bytesOf, displayText, EverfullError } from '../../base/mod.ts';
import { type ImportSummary, loadImport } from '../../operations/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { formatBytes } from '../terminal/mod.ts';
import { streamStatusJson } from './export.ts';
import { shortId } from './image-options.ts';
import type { Begin } from './verb.ts';

const HELP = `
FILE is what "export" wrote; - is standard input. The image gets an id of its own here. One that is here
already is not made twice. What was interrupted goes on when it is done again: what is here is not stored anew.

Examples:
  $ everfull -r /srv/copy import full.everfull
  $ everfull -r /srv/copy import changes.everfull`;

const READ_BYTES = 1024 * 1024;

export function define(command: Command, begin: Begin): void {
  command
    .argument('<file>', 'the file; - is standard input')
    .addHelpText('after', HELP)
    .action(async (file: string) => importVerb(begin(command), file));
}

async function importVerb(run: Run, file: string): Promise<void> {
  const { output, reporter, settings } = run;
  await using input = await inputOf(argumentBytes(file), run.signal);
  // Loaded while a password is worked on.
  const [{ context }, { importImage }] = await Promise.all([run.open(), loadImport()]);
  reporter.statusOf = streamStatusJson;
  const summary = await importImage(context, input.stream, { bytesTotal: input.bytes });
  reporter.clear();
  if (settings.json) output.json(summaryJson(summary));
  else if (!settings.quiet) output.line(summaryText(summary));
}

interface Input extends AsyncDisposable {
  readonly stream: AsyncIterable<Uint8Array>;
  /** Its length, where that is known. */
  readonly bytes: number | undefined;
}

/** Rejects with 'io'. */
async function inputOf(path: ByteString, signal: AbortSignal): Promise<Input> {
  if (path === '-') {
    // Waiting for more must end, too.
    return {
      stream: addAbortSignal(signal, process.stdin),
      bytes: undefined,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const failed = (cause: unknown) =>
    new EverfullError('io', `Could not read "${displayText(path)}"`, {
      cause,
      advice: 'Check its path and its permissions.',
    });
  try {
    const file = await open(bytesOf(path), 'r');
    const stat = await file.stat();
    const stream = async function* () {
      try {
        yield* file.createReadStream({ highWaterMark: READ_BYTES, autoClose: false, signal });
      } catch (error) {
        throw signal.aborted ? error : failed(error);
      }
    };
    return {
      stream: stream(),
      bytes: stat.isFile() ? stat.size : undefined,
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    throw failed(error);
  }
}

function summaryJson(summary: ImportSummary): object {
  const { image, original, base, alreadyThere, chunks, nodes, references, framesAdded, bytes } = summary;
  return {
    message_type: 'summary',
    image,
    original,
    ...(base !== undefined && { base }),
    already_there: alreadyThere,
    data_blobs: chunks,
    tree_blobs: nodes,
    references,
    blobs_added: framesAdded,
    bytes,
  };
}

function summaryText({
  image,
  original,
  alreadyThere,
  chunks,
  nodes,
  framesAdded,
  bytes,
}: ImportSummary): string {
  if (alreadyThere) return `image ${shortId(original)} is here already, as image ${shortId(image)}`;
  return `imported image ${shortId(original)} as image ${shortId(image)}: ${formatBytes(bytes)}, ${chunks} chunks and ${nodes} nodes, ${framesAdded} of them new`;
}
