import { type ByteString, EverfullError } from '../base/mod.ts';
import type { FileSystemCalls } from './file-system-calls.ts';

/**
 * Makes the file `path` of `parts`, on disk when it resolves. When it rejects, with the error of the
 * call that failed, a part of the file may be there; the caller removes it.
 */
export async function writeDurably(
  calls: FileSystemCalls,
  path: ByteString,
  parts: readonly Uint8Array[],
): Promise<void> {
  const handle = await calls.create(path);
  try {
    let rest: readonly Uint8Array[] = parts.filter((part) => part.length > 0);
    while (rest.length > 0) rest = withoutFirst(rest, await calls.write(handle, rest, path));
    await calls.sync(handle, path);
  } finally {
    await handle.close();
  }
}

/** `parts` without their first `count` bytes, which were written. */
function withoutFirst(parts: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  if (count === 0)
    throw new EverfullError('io', 'cannot write: the file system took no byte and gave no reason');
  let index = 0;
  let left = count;
  while (index < parts.length && left >= parts[index].length) left -= parts[index++].length;
  return left === 0 ? parts.slice(index) : [parts[index].subarray(left), ...parts.slice(index + 1)];
}
