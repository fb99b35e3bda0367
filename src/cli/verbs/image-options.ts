import type { Command } from 'commander';
import { type ByteString, displayText, hexOf } from '../../base/mod.ts';
import type { ImageFilter } from '../../operations/mod.ts';
import type { Image } from '../../repository/mod.ts';
import { absoluteFrom, argumentBytes, type Run } from '../opening/mod.ts';
import { parseTime } from '../terminal/mod.ts';
import { jsonTime } from './format.ts';
import { collect } from './verb.ts';

/** The flags that narrow which images are meant. */
export interface ImageFlags {
  readonly at?: number;
  readonly before?: number;
  readonly after?: number;
  readonly host?: ByteString[];
  readonly path?: ByteString[];
  readonly tag?: ByteString[];
}

export function time(text: string): number {
  return parseTime(text, Date.now());
}

/** Adds `--host`, `--path` and `--tag`. */
export function withImageFilter(command: Command): Command {
  return command
    .option(
      '-H, --host <name>',
      'only images of this host; may be repeated',
      (text, earlier?: ByteString[]) => collect(argumentBytes(text), earlier),
    )
    .option('--path <path>', 'only images of this path; may be repeated', (text, earlier?: ByteString[]) =>
      collect(absoluteFrom(argumentBytes(text)), earlier),
    )
    .option(
      '--tag <tag[,tag]>',
      'only images with all of these tags; may be repeated',
      (text, earlier?: ByteString[]) => collect(argumentBytes(text), earlier),
    );
}

/** Adds what narrows the images that IMAGE may mean. */
export function withImageChoice(command: Command): Command {
  return withImageFilter(
    command.option('--at <time>', 'the newest image at or before a time: "2026-03-29 14:05", "2d ago"', time),
  );
}

export function filterOf({ at, before, after, host, path, tag }: ImageFlags): ImageFilter {
  return { at, before, after, host, path, tag };
}

/** An image as restic's snapshot object. */
export function imageJson({ id, header, body }: Image): Record<string, unknown> {
  const hex = hexOf(id);
  return {
    time: jsonTime(body.time),
    ...(body.base.some((byte) => byte !== 0) && { parent: hexOf(body.base) }),
    ...(body.original.some((byte) => byte !== 0) && { original: hexOf(body.original) }),
    tree: hexOf(header.indexRoot),
    paths: body.paths.map(displayText),
    hostname: displayText(body.host),
    username: displayText(body.user),
    ...(body.name !== '' && { name: displayText(body.name) }),
    ...(body.excludes.length > 0 && { excludes: body.excludes.map(displayText) }),
    ...(body.tags.length > 0 && { tags: body.tags.map(displayText) }),
    program_version: displayText(body.program),
    summary: {
      backup_start: jsonTime(body.started),
      backup_end: jsonTime(body.ended),
      files_new: body.filesNew,
      files_changed: body.filesChanged,
      files_unmodified: body.filesUnmodified,
      dirs_new: body.foldersNew,
      dirs_changed: body.foldersChanged,
      dirs_unmodified: body.foldersUnmodified,
      data_added: body.bytesAdded,
      data_added_packed: body.bytesAddedStored,
      total_files_processed: body.filesProcessed,
      total_bytes_processed: body.bytesProcessed,
    },
    id: hex,
    short_id: hex.slice(0, 8),
  };
}

/** How much of an id people are shown. */
export function shortId(id: Uint8Array | string): string {
  return (typeof id === 'string' ? id : hexOf(id)).slice(0, 8);
}

/** Says so on the run's end when some images could not be read. */
export function failAfterProblems(run: Run): void {
  if (run.reporter.errors > 0) run.exitCode = 1;
}
