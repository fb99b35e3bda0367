import { EverfullError } from '../../base/mod.ts';

/**
 * The time that a person wrote, in milliseconds since 1970. `now` is the present, in the same unit.
 *
 * - `now`
 * - a date, or a date and a time of day: `2026-03-29`, `2026-03-29 14:05`, `2026-03-29 14:05:59`. It is local
 *   time unless a zone follows, as in RFC 3339: `2026-03-29T14:05:59.5+02:00`, `…Z`. Below a millisecond is cut off.
 * - how long ago, with or without the word: `2h ago`, `3d`, `1y2m3d`. Units: `y`, `m` (months, as in
 *   restic), `w`, `d`, `h`, `min`, `s`. Years, months, weeks and days go by the local calendar.
 *
 * Throws `usage` for anything else, and for dates that do not exist.
 */
export function parseTime(text: string, now: number): number {
  const time = text.trim().toLowerCase();
  const found = time === 'now' ? now : (parseDate(time) ?? parseAge(time, now));
  if (found === undefined || Number.isNaN(found)) {
    throw new EverfullError('usage', `cannot use the time "${text}": not a date, and not an age`, {
      advice: 'Write "2026-03-29 14:05:59", "2026-03-29", RFC 3339, "now", "2h ago" or "3d".',
    });
  }
  return found;
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)(?:[ t](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?: ?(z|[+-]\d\d:\d\d))?)?$/;

/** Undefined if `time` has not the shape of a date; NaN if there is no such date. */
function parseDate(time: string): number | undefined {
  const match = DATE.exec(time);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((field) => Number(field ?? 0)) as Fields;
  const millisecond = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const zone = match[8];
  // `Date` would carry 30 February over into March. Day 0 of the next month is the last of this one.
  const dayMax = calendarDate(year, month + 1, 0).getDate();
  if (month < 1 || month > 12 || day < 1 || day > dayMax || hour > 23 || minute > 59 || second > 59)
    return Number.NaN;
  if (zone !== undefined) {
    const utc = new Date(0);
    utc.setUTCFullYear(year, month - 1, day);
    return utc.setUTCHours(hour, minute, second, millisecond) - zoneOffset(zone);
  }
  return calendarDate(year, month, day).setHours(hour, minute, second, millisecond);
}

type Fields = [year: number, month: number, day: number, hour: number, minute: number, second: number];

/** Local midnight. `new Date(year, …)` would take the years below 100 for those of the last century. */
function calendarDate(year: number, month: number, day: number): Date {
  const date = new Date(2000, 0, 1);
  date.setFullYear(year, month - 1, day);
  return date;
}

/** Milliseconds east of UTC; NaN for a zone that cannot be. */
function zoneOffset(zone: string): number {
  if (zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4));
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

const AGE =
  /^(?:(\d+)y)? ?(?:(\d+)m)? ?(?:(\d+)w)? ?(?:(\d+)d)? ?(?:(\d+)h)? ?(?:(\d+)min)? ?(?:(\d+)s)?(?: ?ago)?$/;

/** The time an age before `now`; undefined if `time` has not the shape of an age. */
function parseAge(time: string, now: number): number | undefined {
  const match = AGE.exec(time);
  if (match === null || !/\d/.test(time)) return undefined;
  const [years, months, weeks, days, hours, minutes, seconds] = match
    .slice(1)
    .map((count) => Number(count ?? 0)) as Ages;
  const date = new Date(now);
  date.setFullYear(date.getFullYear() - years, date.getMonth() - months, date.getDate() - days - 7 * weeks);
  return date.getTime() - ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

type Ages = [number, number, number, number, number, number, number];
