import koffi from 'koffi';

/** `ZSTD_error_dstSize_tooSmall` (zstd_errors.h). Results are sizes, or error codes below zero. */
const TARGET_TOO_SMALL = -70;

/** `ZSTD_cParameter` (zstd.h); the numbers are part of its stable interface. */
export const ZstdParameter = { compressionLevel: 100, windowLog: 101, hashLog: 102 } as const;

/** Writes `plain` compressed to the start of `target`. How many bytes; undefined if they do not fit. Throws for any other failure. */
export type ZstdCompressor = (target: Uint8Array, plain: Uint8Array) => number | undefined;

interface Zstd {
  createCCtx(): unknown;
  freeCCtx(context: unknown): number;
  setParameter(context: unknown, parameter: number, value: number): number;
  compress2(
    context: unknown,
    target: Uint8Array,
    targetLength: number,
    plain: Uint8Array,
    plainLength: number,
  ): number;
}

/** The zstd that Node carries and exports; undefined where it was built without. */
function load(): Zstd | undefined {
  try {
    const library = koffi.load(null);
    return {
      createCCtx: library.func('void *ZSTD_createCCtx()'),
      freeCCtx: library.func('size_t ZSTD_freeCCtx(void *)'),
      setParameter: library.func('int64 ZSTD_CCtx_setParameter(void *, int, int)'),
      compress2: library.func('int64 ZSTD_compress2(void *, void *, size_t, const void *, size_t)'),
    } as unknown as Zstd;
  } catch {
    return undefined;
  }
}

let library: Zstd | undefined | null = null;

/**
 * A compressor with a context of its own that serves every call; freed when the thread ends. `node:zlib`
 * makes a new one each time and streams through it, whose memory the kernel has to clear: a third of the
 * time of a backup. Undefined where Node's own zstd cannot be called; `node:zlib` can always.
 *
 * @param parameters pairs of a {@link ZstdParameter} and its value
 */
export function zstdCompressor(
  parameters: readonly (readonly [number, number])[],
): ZstdCompressor | undefined {
  if (library === null) library = load();
  if (library === undefined) return undefined;
  const zstd = library;
  const context = zstd.createCCtx();
  if (context === null) throw new Error('zstd has no memory for a context');
  process.once('exit', () => zstd.freeCCtx(context));
  for (const [parameter, value] of parameters) {
    if (zstd.setParameter(context, parameter, value) < 0)
      throw new RangeError(`zstd does not know parameter ${parameter} with ${value}`);
  }
  return (target, plain) => {
    const length = zstd.compress2(context, target, target.length, plain, plain.length);
    if (length >= 0) return length;
    if (length === TARGET_TOO_SMALL) return undefined;
    throw new Error(`zstd failed with error ${-length}`);
  };
}
