import { record, text, u8, u64 } from './record.ts';

export const ENGINE_BYTES_MAX = 256;

/** The object `store`: what was seen, when the repository was made, of what its store promises; 1 kept, 0 broken. */
export const storeRecord = record(14, 1, 'a store', {
  probed: u64,
  conditionalPut: u8,
  readAfterWrite: u8,
  listAfterWrite: u8,
  rangedGet: u8,
  /** What the program behind the store calls itself. */
  engine: text(ENGINE_BYTES_MAX),
});
export type StoreRecord = ReturnType<typeof storeRecord.decode>;
