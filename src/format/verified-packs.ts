import { PACK_NAME_BYTES } from './pack.ts';
import { fixed, list, record, struct, u64 } from './record.ts';

/** When this machine found each pack of a repository sound. Local and derived. `docs/format/record.md` */
export const verifiedPacksRecord = record(
  35,
  1,
  'the list of verified packs',
  {
    packs: list(struct({ pack: fixed(PACK_NAME_BYTES), verified: u64 }), 4_000_000),
  },
  128 * 1024 * 1024,
);
