import { EverfullError } from '../../base/mod.ts';

const UNITS: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/**
 * Bytes from a whole number with an optional unit: `b`, `k` (KiB), `m` (MiB), `g` (GiB) or `t` (TiB),
 * in either case. Throws `usage` for anything else, and above 2^53 − 1.
 */
export function parseSize(text: string): number {
  const [, digits, unit = 'b'] = /^(\d+)([bkmgt])?$/i.exec(text) ?? [];
  const size = Number(digits) * UNITS[unit.toLowerCase()]!;
  if (!Number.isSafeInteger(size)) {
    throw new EverfullError(
      'usage',
      `cannot use the size "${text}": not a whole number with b, k, m, g or t behind it`,
      {
        advice: 'Write 500k, 10M, 2G or a number of bytes.',
      },
    );
  }
  return size;
}
