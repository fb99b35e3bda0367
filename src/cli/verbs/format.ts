/** A time (ms since 1970) for people, by the local clock: `2026-03-29 14:05:59`. */
export function formatTime(time: number): string {
  const date = new Date(time);
  const two = (part: number) => String(part).padStart(2, '0');
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A time (ms since 1970) for programs, as RFC 3339. */
export function jsonTime(time: number): string {
  return new Date(time).toISOString();
}
