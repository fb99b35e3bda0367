import { bufferOf } from '../../base/mod.ts';

/** Linux, include/uapi/linux/posix_acl_xattr.h: version, then tag, permissions and id of each entry. */
const VERSION = 2;
const HEAD_BYTES = 4;
const ENTRY_BYTES = 8;
const TAGS: Readonly<Record<number, { readonly text: string; readonly hasId: boolean }>> = {
  1: { text: 'user', hasId: false },
  2: { text: 'user', hasId: true },
  4: { text: 'group', hasId: false },
  8: { text: 'group', hasId: true },
  16: { text: 'mask', hasId: false },
  32: { text: 'other', hasId: false },
};

/** An ACL as it is stored in an extended attribute, in the short text form of acl(5) with numeric ids; undefined for anything else. */
export function aclText(value: Uint8Array): string | undefined {
  const bytes = bufferOf(value);
  if (
    bytes.length < HEAD_BYTES ||
    bytes.readUInt32LE(0) !== VERSION ||
    (bytes.length - HEAD_BYTES) % ENTRY_BYTES !== 0
  )
    return undefined;
  const entries: string[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    const tag = TAGS[bytes.readUInt16LE(at)];
    const permissions = bytes.readUInt16LE(at + 2);
    if (tag === undefined || permissions > 7) return undefined;
    const letters = [4, 2, 1].map((bit, i) => (permissions & bit ? 'rwx'[i] : '-')).join('');
    entries.push(`${tag.text}:${tag.hasId ? bytes.readUInt32LE(at + 4) : ''}:${letters}`);
  }
  return entries.join(',');
}
