import type { SQLOutputValue } from 'node:sqlite';

/** A version as it is stored, with its folder and name as text. */
export type VersionRow = readonly SQLOutputValue[];

/** Where what stands in a {@link VersionRow}. */
export const VersionColumn = {
  folder: 0,
  name: 1,
  dataset: 2,
  since: 3,
  until: 4,
  type: 5,
  mode: 6,
  uid: 7,
  gid: 8,
  size: 9,
  mtimeSeconds: 10,
  mtimeNanoseconds: 11,
  fingerprint: 12,
} as const;

export const SELECT_VERSIONS = `
  SELECT folder.text, name.text, dataset, since, until, type, mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds, fingerprint
  FROM version JOIN name ON name.id = version.name JOIN folder ON folder.id = version.folder`;
