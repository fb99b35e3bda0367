import type { Command } from 'commander';
import { EverfullError } from '../../base/mod.ts';
import { loadImages, loadMap, type MapRow, type MapTotals } from '../../operations/mod.ts';
import { argumentBytes, type Run } from '../opening/mod.ts';
import { formatBytes } from '../terminal/mod.ts';
import { filterOf, type ImageFlags, withImageChoice } from './image-options.ts';
import type { Begin } from './verb.ts';

interface MapFlags extends ImageFlags {
  readonly against?: string;
}

const HELP = `
A line is a range of the file: where it begins, its length, the chunk (with the place in it) and the pack
that hold it. With --against also whether the other image's file has it, and by how many bytes it moved.

Examples:
  $ everfull map latest:/var/lib/db/data
  $ everfull map latest:/var/lib/db/data --against latest~1`;

export function define(command: Command, begin: Begin): void {
  withImageChoice(command.argument('<image:path>', 'the image, and a file in it'))
    .option('--against <image>', 'show what is new and what is referenced, compared with another image')
    .addHelpText('after', HELP)
    .action(async (spec: string, flags: MapFlags) => {
      const run = begin(command);
      // Loaded while a password is worked on.
      const [{ context }, { resolveImage }, { mapFile }] = await Promise.all([
        run.open(),
        loadImages(),
        loadMap(),
      ]);
      const { image, path } = await resolveImage(context, argumentBytes(spec), filterOf(flags));
      if (path === undefined)
        throw new EverfullError('usage', `Could not map "${spec}": it names no file`, {
          advice: 'Write IMAGE:PATH.',
        });
      const against =
        flags.against === undefined
          ? undefined
          : (await resolveImage(context, argumentBytes(flags.against))).image;
      if (!run.settings.json && !run.settings.quiet) {
        run.output.line(
          `${'Offset'.padStart(14)} ${'Length'.padStart(12)}  Chunk${' '.repeat(20)}Pack${against === undefined ? '' : `${' '.repeat(24)}State`}`,
        );
      }
      const rows = mapFile(context, image, path, { against });
      for (let next = await rows.next(); ; next = await rows.next()) {
        if (next.done) {
          printTotals(run, next.value);
          return;
        }
        const room = run.settings.json
          ? run.output.json(rowJson(next.value))
          : run.output.line(rowText(next.value));
        if (room !== undefined) await room;
      }
    });
}

function rowText({ offset, length, slice, against }: MapRow): string {
  const start = `${String(offset).padStart(14)} ${String(length).padStart(12)}  `;
  if (slice === undefined) return `${start}hole`;
  const chunk = `${slice.chunk.slice(0, 16)}+${slice.offset}`.padEnd(24);
  const { place } = slice;
  const pack = (place === undefined ? 'missing' : `${place.pack.slice(0, 16)}@${place.offset}`).padEnd(27);
  const state =
    against === undefined
      ? ''
      : against.state === 'new' || against.shift === 0
        ? against.state
        : `referenced, moved by ${against.shift > 0 ? '+' : ''}${against.shift}`;
  return `${start}${chunk} ${pack} ${state}`.trimEnd();
}

function rowJson({ offset, length, slice, against }: MapRow): object {
  return {
    message_type: 'range',
    offset,
    length,
    hole: slice === undefined,
    ...(slice !== undefined && { chunk: slice.chunk, chunk_offset: slice.offset }),
    ...(slice?.place !== undefined && {
      pack: slice.place.pack,
      pack_offset: slice.place.offset,
      pack_length: slice.place.length,
    }),
    ...(against !== undefined && { state: against.state }),
    ...(against?.state === 'referenced' && { shift: against.shift }),
  };
}

function printTotals({ output, settings }: Run, totals: MapTotals): void {
  const { size, pieces, holeBytes, dataBytes, chunks, referencedBytes, newBytes } = totals;
  if (settings.json) {
    output.json({
      message_type: 'summary',
      size,
      pieces,
      hole_bytes: holeBytes,
      data_bytes: dataBytes,
      chunks,
      ...(referencedBytes !== undefined && { referenced_bytes: referencedBytes, new_bytes: newBytes }),
    });
    return;
  }
  if (settings.quiet) return;
  output.line();
  output.line(
    `${formatBytes(size)} in ${pieces} pieces of ${chunks} chunks; holes ${formatBytes(holeBytes)}, data ${formatBytes(dataBytes)}`,
  );
  if (referencedBytes !== undefined) {
    output.line(`referenced ${formatBytes(referencedBytes)}, new ${formatBytes(newBytes!)}`);
  }
}
