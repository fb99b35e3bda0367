import type { ByteString } from '../../base/mod.ts';

/** What keeps images, as restic has it: an image stays if any of these keeps it. */
export interface KeepPolicy {
  /** Of so many periods the newest image, of `last` each image; Infinity keeps all. */
  readonly counts?: Partial<Record<PeriodName, number>>;
  /** The same of all periods since the newest image less a time. */
  readonly within?: Partial<Record<PeriodName, KeepDuration>>;
  /** Each a list of tags with commas: images that have every tag of any of the lists. An empty list means no tags. */
  readonly tags?: readonly ByteString[];
}

/** A time in calendar units, counted back from the newest image of its group. */
export interface KeepDuration {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

/** What a policy looks at. */
export interface Candidate {
  /** When it was committed by the repository's clock, ms since 1970. */
  readonly time: number;
  readonly tags: readonly ByteString[];
}

export interface Verdict<T> {
  readonly image: T;
  /** Why it stays, in words of the table; empty if it goes. */
  readonly reasons: readonly string[];
}

/** The number of the hour, day, week, month or year that a time lies in, by the local clock; undefined: each image is a period. */
type Period = ((time: Date) => number) | undefined;

const day = (time: Date) => (time.getFullYear() * 12 + time.getMonth()) * 31 + time.getDate();
const PERIODS = {
  last: undefined,
  hourly: (time: Date) => day(time) * 24 + time.getHours(),
  daily: day,
  weekly: isoWeek,
  monthly: (time: Date) => time.getFullYear() * 12 + time.getMonth(),
  yearly: (time: Date) => time.getFullYear(),
} satisfies Record<string, Period>;
export type PeriodName = keyof typeof PERIODS;

interface Rule {
  readonly reason: string;
  readonly period: Period;
  /** Only images after this time, if set. */
  readonly after: number;
  left: number;
  last: number | undefined;
}

/**
 * What becomes of the images of one group, newest first. Of each period the newest image stays; while a
 * count is not used up the oldest image of the group stays too, so that the history grows to its length.
 *
 * @param images in any order
 */
export function applyPolicy<T extends Candidate>(images: readonly T[], policy: KeepPolicy): Verdict<T>[] {
  const sorted = images.toSorted((a, b) => b.time - a.time);
  if (sorted.length === 0) return [];
  const rules = rulesOf(policy, sorted[0]!.time);
  return sorted.map((image, i) => {
    const reasons: string[] = [];
    if (policy.tags?.some((list) => hasTags(image.tags, list))) reasons.push('has its tags');
    const time = new Date(image.time);
    for (const rule of rules) {
      if (rule.left <= 0 || image.time <= rule.after) continue;
      const period = rule.period?.(time) ?? -i - 1;
      const isOldest = i === sorted.length - 1;
      if (period === rule.last && !isOldest) continue;
      reasons.push(period === rule.last ? `oldest ${rule.reason}` : rule.reason);
      rule.last = period;
      rule.left--;
    }
    return { image, reasons };
  });
}

/** Whether the policy keeps anything at all: one that does not is a mistake. */
export function keepsSomething({ counts = {}, within = {}, tags = [] }: KeepPolicy): boolean {
  return (
    Object.values(counts).some((count) => count > 0) || Object.keys(within).length > 0 || tags.length > 0
  );
}

function rulesOf({ counts = {}, within = {} }: KeepPolicy, newest: number): Rule[] {
  const rules: Rule[] = [];
  for (const name of Object.keys(PERIODS) as PeriodName[]) {
    const period = PERIODS[name];
    const count = counts[name];
    if (count !== undefined)
      rules.push({ reason: name, period, left: count, after: -Infinity, last: undefined });
    const duration = within[name];
    if (duration === undefined) continue;
    const reason = name === 'last' ? 'within' : `${name} within`;
    rules.push({ reason, period, left: Infinity, after: before(newest, duration), last: undefined });
  }
  return rules;
}

function before(time: number, { years, months, days, hours }: KeepDuration): number {
  return addDuration(time, { years: -years, months: -months, days: -days, hours: -hours });
}

/** The time so much later, by the local calendar. */
export function addDuration(time: number, { years, months, days, hours }: KeepDuration): number {
  const date = new Date(time);
  date.setFullYear(date.getFullYear() + years, date.getMonth() + months, date.getDate() + days);
  return date.getTime() + hours * 3_600_000;
}

/** The number of the week since 1970 that begins on Monday: two times in one ISO 8601 week have the same. */
function isoWeek(time: Date): number {
  const days = Math.floor(Date.UTC(time.getFullYear(), time.getMonth(), time.getDate()) / 86_400_000);
  // 1 January 1970 was a Thursday.
  return Math.floor((days + 3) / 7);
}

/** `1y5m7d2h` in any part of it, as restic has it; undefined where it is no such thing. */
export function parseKeepDuration(text: string): KeepDuration | undefined {
  const found = /^(?:(\d{1,4})y)?(?:(\d{1,5})m)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?$/.exec(text);
  if (found === null || text === '') return undefined;
  const [years, months, days, hours] = found.slice(1).map((part) => Number(part ?? 0));
  return { years: years!, months: months!, days: days!, hours: hours! };
}

/** Whether all tags of a list with commas are there; an empty list means no tags. */
export function hasTags(tags: readonly ByteString[], list: ByteString): boolean {
  if (list === '') return tags.length === 0;
  return list.split(',').every((wanted) => tags.includes(wanted.trim()));
}
