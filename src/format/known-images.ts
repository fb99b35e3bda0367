import { SESSION_ID_BYTES } from './manifest.ts';
import { ID_BYTES } from './piece.ts';
import { block, fixed, list, record, struct, u64 } from './record.ts';

/** A longer body is rare, and its manifest is read each time. */
export const KNOWN_BODY_BYTES_MAX = 64 * 1024;

const knownImage = struct({
  session: fixed(SESSION_ID_BYTES),
  committed: u64,
  id: fixed(ID_BYTES),
  /** Of the manifest, as it was when its signature was checked. */
  header: block(4096),
  /** Of the manifest, opened. */
  body: block(KNOWN_BODY_BYTES_MAX),
});

/**
 * What this machine read of the sessions of a repository that have ended, so that images can be listed
 * without reading each again. Local and derived. `docs/format/manifest.md`
 */
export const knownImagesRecord = record(
  34,
  1,
  'the list of known images',
  {
    images: list(knownImage, 1_000_000),
    /** Sessions that ended without an image. */
    expired: list(fixed(SESSION_ID_BYTES), 1_000_000),
  },
  256 * 1024 * 1024,
);
