const UNITS = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;

/** A number of bytes for people, as restic prints it: `532 B`, `1.234 GiB`. */
export function formatBytes(count: number | bigint): string {
  for (const [unit, size] of UNITS) {
    if (count >= size) return `${(Number(count) / size).toFixed(3)} ${unit}`;
  }
  return `${count} B`;
}

/** A duration given in milliseconds, without its fraction of a second: `0:05`, `12:34`, `1:02:03`. */
export function formatDuration(milliseconds: number): string {
  const total = Math.floor(milliseconds / 1000);
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  const seconds = String(total % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}
