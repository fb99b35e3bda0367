/** What was measured, as numbers with their floors, and as the table that people read. */
import { TOOL_NAMES, type ToolName } from './tools.ts';

export type Unit = 'ms' | 'bytes' | 'count';
export type Values = Partial<Record<ToolName, number>>;

export interface Floor {
  readonly wanted: string;
  readonly found: string;
  readonly met: boolean;
}

/** One line of the table. */
export interface Line {
  readonly label: string;
  readonly unit: Unit;
  readonly values: Values;
  readonly floors: readonly Floor[];
}

export interface RowResult {
  readonly row: string;
  readonly title: string;
  readonly lines: readonly Line[];
  /** Milliseconds that the product says it spent in each of its stages. */
  readonly stages?: Readonly<Record<string, number>>;
  /** Why there are no numbers. */
  readonly failure?: string;
}

export interface Report {
  /** Facts about the run (date, machine, versions, command), in the order in which they are printed. */
  readonly facts: Readonly<Record<string, string>>;
  readonly rows: readonly RowResult[];
}

/** The middle of the sorted values; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('The median of nothing was asked for.');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function medianOfEach<T>(
  samples: Partial<Record<ToolName, T[]>>,
  value: (sample: T) => number,
): Values {
  const medians: Values = {};
  for (const [tool, list] of Object.entries(samples)) medians[tool as ToolName] = median(list.map(value));
  return medians;
}

/** Everfull needs at most 1/`times` of what `other` does. Not judged where one of them was not measured. */
export function timesLess(values: Values, other: ToolName, times: number): Floor[] {
  const ratio = ratioTo(values, other);
  if (ratio === undefined) return [];
  return [{ wanted: `≥ ${times} × ${other}`, found: `${ratio.toFixed(2)} ×`, met: ratio >= times }];
}

/** `value` is below `limit`; `plus` says what was taken off `value` before. */
export function below(value: number, limit: number, unit: Unit, plus = ''): Floor {
  return { wanted: `< ${show(limit, unit)}${plus}`, found: show(value, unit), met: value < limit };
}

/** `value` is above `limit`; `plus` says what that is of. */
export function above(value: number, limit: number, unit: Unit, plus = ''): Floor {
  return { wanted: `> ${show(limit, unit)}${plus}`, found: show(value, unit), met: value > limit };
}

export function atMost(value: number, limit: number, unit: Unit): Floor {
  return { wanted: `≤ ${show(limit, unit)}`, found: show(value, unit), met: value <= limit };
}

/** Everything that a run with `--floors` fails for, as sentences. */
export function missesOf(report: Report): string[] {
  return report.rows.flatMap((row) => [
    ...(row.failure === undefined ? [] : [`${row.title}: ${row.failure}`]),
    ...row.lines.flatMap((line) =>
      line.floors
        .filter((floor) => !floor.met)
        .map((floor) => `${row.title}, ${line.label}: wanted ${floor.wanted}, found ${floor.found}`),
    ),
  ]);
}

export function show(value: number, unit: Unit): string {
  if (unit === 'count') return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(1);
  if (unit === 'ms') {
    if (Math.abs(value) < 1000) return `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} ms`;
    return `${(value / 1000).toFixed(Math.abs(value) < 10_000 ? 2 : 1)} s`;
  }
  const size = Math.abs(value);
  if (size < 2 ** 10) return `${value} B`;
  if (size < 2 ** 20) return `${(value / 2 ** 10).toFixed(1)} KiB`;
  return size < 2 ** 30 ? `${(value / 2 ** 20).toFixed(1)} MiB` : `${(value / 2 ** 30).toFixed(2)} GiB`;
}

/** The whole report in Markdown; `method` says how it was measured. */
export function markdownOf(report: Report, method: string): string {
  const facts = Object.entries(report.facts).map(([name, fact]) => `- ${name}: ${fact}`);
  const cells = [
    ['', ...TOOL_NAMES, 'restic ÷ everfull', 'borg ÷ everfull', 'at least', ''],
    ...report.rows.flatMap(tableRows),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const table = [line(cells[0]!), rule, ...cells.slice(1).map(line)];
  return `${[...facts, '', ...table, ...report.rows.flatMap(stageLines), '', method.trim()].join('\n')}\n`;
}

function tableRows(row: RowResult): string[][] {
  const head = [`**${row.title}**`, '', '', '', '', '', '', ''];
  if (row.failure !== undefined) {
    const reason = row.failure.split('\n')[0]!.replaceAll('|', '\\|').slice(0, 160);
    return [head, [`failed: ${reason}`, '', '', '', '', '', '', 'MISSED']];
  }
  const lines = row.lines.map(({ label, unit, values, floors }) => [
    label,
    ...TOOL_NAMES.map((tool) => (values[tool] === undefined ? '' : show(values[tool], unit))),
    showRatio(ratioTo(values, 'restic')),
    showRatio(ratioTo(values, 'borg')),
    floors.map((floor) => floor.wanted).join(', '),
    verdictOf(floors),
  ]);
  return [head, ...lines];
}

function verdictOf(floors: readonly Floor[]): string {
  if (floors.length === 0) return '';
  const verdict = floors.every((floor) => floor.met) ? 'met' : 'MISSED';
  return `${verdict}: ${floors.map((floor) => floor.found).join(', ')}`;
}

function stageLines(row: RowResult): string[] {
  if (row.stages === undefined) return [];
  const stages = Object.entries(row.stages).toSorted((a, b) => b[1] - a[1]);
  return [
    '',
    `Where the time of "${row.title}" goes, by stage, as everfull says:`,
    '',
    ...['| stage | time |', '|---|---|'],
    ...stages.map(([stage, ms]) => `| ${stage} | ${show(ms, 'ms')} |`),
  ];
}

function ratioTo(values: Values, other: ToolName): number | undefined {
  const [ours, theirs] = [values.everfull, values[other]];
  return other === 'everfull' || ours === undefined || theirs === undefined || ours <= 0
    ? undefined
    : theirs / ours;
}

function showRatio(ratio: number | undefined): string {
  return ratio === undefined ? '' : `${ratio.toFixed(2)} ×`;
}

const BEGIN = '<!-- measured: begin (written by `npm run bench`) -->';
const END = '<!-- measured: end -->';

/** `page` with what stands between its two marker comments replaced, and all prose around them kept. */
export function withMeasurements(page: string, measurements: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin || page.indexOf(BEGIN, begin + 1) >= 0) {
    throw new Error(
      `Could not find one pair of the marks "${BEGIN}" and "${END}", in this order, in the page.`,
    );
  }
  return `${page.slice(0, begin + BEGIN.length)}\n${measurements}${page.slice(end)}`;
}

/** The page before anything was measured. */
export const EMPTY_PAGE = `# Performance

What stands between the two marks is written by a whole run of \`npm run bench\`; the rest is written by hand.

${BEGIN}
${END}
`;
