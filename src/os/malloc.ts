import koffi from 'koffi';

/** `mallopt` parameters (glibc, malloc.h). */
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;
const MMAP_FROM_BYTES = 200_000;

/**
 * Has the C library give memory back: by default every thread keeps what its largest moment needed,
 * which for compressing and sealing comes to 200 MB. Call it before threads start. No effect on musl.
 */
export function boundMalloc(): void {
  try {
    const mallopt = koffi.load(null).func('mallopt', 'int', ['int', 'int']) as (
      parameter: number,
      value: number,
    ) => number;
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
  } catch {
    // A C library without mallopt has no arenas to bound.
  }
}
