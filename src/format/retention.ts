import { DATASET_ID_BYTES, SESSION_ID_BYTES } from './manifest.ts';
import { PACK_NAME_BYTES } from './pack.ts';
import { ID_BYTES } from './piece.ts';
import { fixed, list, record, struct, text, u8, u64, type ValuesOf } from './record.ts';

/** What a decision does. */
export const DecisionKind = {
  /** The image of a session exists no longer. Final. */
  forget: 1,
  /** The image may not be forgotten, until a time or a release. */
  hold: 2,
  /** No hold on the image is in force any more. */
  release: 3,
  /** No image of a dataset, or of the repository, that was committed before a time may be forgotten until then. */
  lock: 4,
} as const;
export type DecisionKind = (typeof DecisionKind)[keyof typeof DecisionKind];

const decision = struct({
  /** 1 forget, 2 hold, 3 release, 4 lock. */
  kind: u8,
  /** The session that made the image; of a lock the dataset, or zeros for the repository. */
  subject: fixed(SESSION_ID_BYTES),
  /** Of a hold or lock: ms since 1970; 0 for a hold without an end. Else 0. */
  until: u64,
  /** For people: why. */
  note: text(1024),
});
export type Decision = ValuesOf<typeof decision.fields>;

/** The subject of a lock on all datasets. */
export const ALL_DATASETS = Buffer.alloc(DATASET_ID_BYTES);

/** The object `retention/NUMBER`, put if absent at the next number: what was decided of images, in one order. */
export const retentionRecord = record(10, 1, 'a decision on retention', {
  number: u64,
  decided: u64,
  /** 1 where `decisions` are all that is in force of those before, too: then they need not be read. */
  isSnapshot: u8,
  decisions: list(decision, 400_000),
});
export type RetentionRecord = ReturnType<typeof retentionRecord.decode>;

export const RUN_ID_BYTES = 16;
/** Packs that one run condemns at most, and places that one record of damage names. */
export const CONDEMNED_MAX = 500_000;
export const DAMAGED_MAX = 250_000;

/** The object `condemned/RUN`: packs that a run of collection is about to delete. Never changed. */
export const condemnedRecord = record(11, 1, 'a list of condemned packs', {
  run: fixed(RUN_ID_BYTES),
  published: u64,
  packs: list(fixed(PACK_NAME_BYTES), CONDEMNED_MAX),
});

/** The object `damaged/VERIFICATION`: places of frames that were found damaged. */
export const damagedRecord = record(12, 1, 'a list of damaged frames', {
  verification: fixed(RUN_ID_BYTES),
  found: u64,
  frames: list(struct({ id: fixed(ID_BYTES), pack: fixed(PACK_NAME_BYTES) }), DAMAGED_MAX),
});
