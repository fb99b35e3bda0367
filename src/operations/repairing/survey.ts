import type { ByteString, EverfullError } from '../../base/mod.ts';
import { ENTRY_ANCESTOR, type Entry, EntryType, pathOfKey } from '../../format/mod.ts';
import type { NodeSource, TreeRoot } from '../../image/mod.ts';
import { isLoss } from '../../repository/mod.ts';
import { walkIndex } from '../../restore/mod.ts';

/** Entries below a node that cannot be read. */
export interface LostRange {
  readonly items: number;
  readonly from: ByteString;
  /** The first path after them; undefined at the end of the image. */
  readonly to: ByteString | undefined;
}

export interface Survey {
  readonly ranges: readonly LostRange[];
  /** Folders that hold something, and whose own entries are lost. */
  readonly folders: readonly ByteString[];
}

/**
 * Finds which entries of an index are lost with its nodes. Memory: the paths of its folders, where any are.
 *
 * @param checkpoint called now and then; throws to end the work
 */
export async function surveyIndex(
  source: NodeSource,
  root: TreeRoot,
  checkpoint: () => Promise<void>,
): Promise<Survey> {
  const ranges: { items: number; from: ByteString; to: ByteString | undefined }[] = [];
  const seen = new Set<ByteString>();
  const needed = new Set<ByteString>();
  let prefix: ByteString | undefined;
  let open = 0;
  const onLost = (items: number, key: ByteString, error: EverfullError) => {
    if (!isLoss(error)) throw error;
    ranges.push({ items, from: pathOfKey(key), to: undefined });
  };
  for await (const items of walkIndex(source, root, {}, { reverse: false, onLost })) {
    await checkpoint();
    for (; open < ranges.length; open++) ranges[open]!.to = pathOfKey(items[0]!.key);
    for (const { key, value } of items) {
      if (value[0] === EntryType.folder) seen.add(pathOfKey(key));
      const folder = key.slice(0, key.lastIndexOf('\0') + 1);
      if (folder === prefix || key === '') continue;
      prefix = folder;
      for (let path = parentOf(pathOfKey(key)); !needed.has(path); path = parentOf(path)) needed.add(path);
    }
  }
  const folders = ranges.length === 0 ? [] : [...needed].filter((path) => !seen.has(path)).sort();
  return { ranges, folders };
}

/** Of the root, the root. */
function parentOf(path: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** A folder of which nothing is known but that it was there. */
export function placeholder(): Entry {
  return {
    type: EntryType.folder,
    flags: ENTRY_ANCESTOR,
    mode: 0o700,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    xattrs: [],
    inodeFlags: 0,
    linkGroup: undefined,
    fingerprint: undefined,
    content: undefined,
    target: undefined,
    deviceMajor: 0,
    deviceMinor: 0,
  };
}
