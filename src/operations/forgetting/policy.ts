import type { ByteString } from '../../base/mod.ts';

/** What keeps images, as restic has it: an image stays if any of these keeps it. Infinity keeps all. */
export interface KeepPolicy {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  readonly within?: KeepDuration;
  readonly withinHourly?: KeepDuration;
  readonly withinDaily?: KeepDuration;
  readonly withinWeekly?: KeepDuration;
  readonly withinMonthly?: KeepDuration;
  readonly withinYearly?: KeepDuration;
  /** Images that have every tag of any of the lists. */
  readonly tags?: readonly (readonly ByteString[])[];
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

/** The number of the hour, day, week, month or year that a time lies in, by the local clock. */
type Period = (time: Date) => number;

const day: Period = (time) => (time.getFullYear() * 12 + time.getMonth()) * 31 + time.getDate();
const PERIODS = {
  hourly: (time: Date) => day(time) * 24 + time.getHours(),
  daily: day,
  weekly: isoWeek,
  monthly: (time: Date) => time.getFullYear() * 12 + time.getMonth(),
  yearly: (time: Date) => time.getFullYear(),
} satisfies Record<string, Period>;

interface Rule {
  readonly reason: string;
  /** Undefined: each image is a period of its own. */
  readonly period: Period | undefined;
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
    if (policy.tags?.some((tags) => tags.every((tag) => image.tags.includes(tag))))
      reasons.push('has its tags');
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
export function keepsSomething(policy: KeepPolicy): boolean {
  return Object.values(policy).some((rule) =>
    typeof rule === 'number' ? rule > 0 : Array.isArray(rule) ? rule.length > 0 : rule !== undefined,
  );
}

function rulesOf(policy: KeepPolicy, newest: number): Rule[] {
  const rules: Rule[] = [];
  const add = (reason: string, period: Period | undefined, left: number, after = -Infinity) =>
    rules.push({ reason, period, left, after, last: undefined });
  const within = (duration: KeepDuration) => before(newest, duration);
  if (policy.last) add('last', undefined, policy.last);
  for (const name of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const)
    if (policy[name]) add(name, PERIODS[name], policy[name]);
  if (policy.within) add('within', undefined, Infinity, within(policy.within));
  for (const name of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
    const duration = policy[`within${name[0]!.toUpperCase()}${name.slice(1)}` as 'withinDaily'];
    if (duration) add(`${name} within`, PERIODS[name], Infinity, within(duration));
  }
  return rules;
}

function before(time: number, { years, months, days, hours }: KeepDuration): number {
  const date = new Date(time);
  date.setFullYear(date.getFullYear() - years, date.getMonth() - months, date.getDate() - days);
  return date.getTime() - hours * 3_600_000;
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
