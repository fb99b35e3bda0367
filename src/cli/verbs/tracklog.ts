import type { Command } from 'commander';
import { displayText, EverfullError, hexOf } from '../../base/mod.ts';
import { loadTrackLog, type TrackedEntry } from '../../operations/mod.ts';
import { absoluteFrom, argumentBytes, type Run } from '../opening/mod.ts';
import { jsonTime } from './format.ts';
import type { Begin } from './verb.ts';

const HELP = `
The track log is what this machine remembers of the last image: by it a backup knows which files did not
change. A line is the size, the time of the last change of the inode, where the bytes are, the fingerprint
and the path. "read again" marks what was written just before the backup looked.

Examples:
  $ everfull tracklog /etc/hosts
  $ everfull tracklog --json ~/Documents`;

export function define(command: Command, begin: Begin): void {
  command
    .argument('<path...>', 'files and folders')
    .addHelpText('after', HELP)
    .action(async (paths: string[]) => {
      const run = begin(command);
      // Loaded while a password is worked on.
      const [{ context }, { readTrackLog }] = await Promise.all([run.open(), loadTrackLog()]);
      let found = 0;
      for await (const tracked of readTrackLog(
        context,
        paths.map((path) => absoluteFrom(argumentBytes(path))),
      )) {
        found++;
        await (run.settings.json ? run.output.json(rowJson(tracked)) : printRow(run, tracked));
      }
      if (found === 0) {
        throw new EverfullError(
          'path-missing',
          `Could not show the track log of "${paths.join('", "')}": it knows nothing of it`,
          {
            advice: 'Back it up first; with --no-cache there is no track log.',
          },
        );
      }
    });
}

function positionOf({ entry }: TrackedEntry): {
  chunk?: string;
  chunk_offset?: number;
  content_root?: string;
  pieces?: number;
} {
  const { content } = entry;
  if (content === undefined) return {};
  if ('root' in content) return { content_root: hexOf(content.root), pieces: content.items };
  const data = content.pieces.find((piece) => piece.chunk !== undefined);
  return {
    pieces: content.pieces.length,
    ...(data !== undefined && { chunk: hexOf(data.chunk!), chunk_offset: data.offset }),
  };
}

function rowJson(tracked: TrackedEntry): object {
  const { path, dataset, image, stat, trusted, entry } = tracked;
  return {
    message_type: 'entry',
    path: displayText(path),
    dataset,
    snapshot: image,
    size: stat.size,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    links: stat.links,
    inode: stat.inode,
    device_major: stat.deviceMajor,
    device_minor: stat.deviceMinor,
    mtime: jsonTime(stat.mtimeSeconds * 1000 + Math.floor(stat.mtimeNanoseconds / 1e6)),
    ctime: jsonTime(stat.ctimeSeconds * 1000 + Math.floor(stat.ctimeNanoseconds / 1e6)),
    trusted,
    ...(entry.fingerprint !== undefined && { fingerprint: hexOf(entry.fingerprint) }),
    ...positionOf(tracked),
  };
}

function printRow({ output }: Run, tracked: TrackedEntry): Promise<void> | undefined {
  const { path, stat, trusted, entry } = tracked;
  const { chunk, chunk_offset, content_root } = positionOf(tracked);
  const place =
    chunk !== undefined
      ? `${chunk.slice(0, 16)}+${chunk_offset}`
      : content_root !== undefined
        ? `tree ${content_root.slice(0, 16)}`
        : '-';
  const fingerprint = entry.fingerprint === undefined ? '-' : hexOf(entry.fingerprint).slice(0, 16);
  const changed = jsonTime(stat.ctimeSeconds * 1000);
  return output.byteLine(
    `${String(stat.size).padStart(14)}  ${changed}  ${place.padEnd(26)} ${fingerprint.padEnd(16)} ${trusted ? '' : '(read again) '}${output.path(path)}`,
  );
}
