import type { Clock } from '../../base/mod.ts';
import { displayableError } from './failure.ts';
import { formatBytes, formatDuration } from './size.ts';
import { escapeText } from './text.ts';

/** How far the work is; the numbers that an operation gives, and more in some verbs. */
export interface ProgressNumbers {
  readonly filesDone: number;
  readonly bytesDone: number;
  readonly filesTotal?: number | undefined;
  readonly bytesTotal?: number | undefined;
  readonly current?: string | undefined;
  readonly errors: number;
}

/** The part of a standard stream that the reporter needs. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ReporterOptions {
  readonly screen: Screen;
  readonly clock: Clock;
  readonly json: boolean;
  readonly quiet: boolean;
  /** Prints a status line of JSON on standard output. */
  readonly status: (status: object) => void;
}

const REDRAW_MS = 100;
const JSON_STATUS_MS = 1000;

/** Progress, warnings and errors while a verb works: one line that is redrawn on a terminal, JSON for programs. */
export class Reporter {
  errors = 0;
  readonly #options: ReporterOptions;
  readonly #start: number;
  #shownAt: number;
  #line = false;
  /** How a verb names the numbers of its JSON status; undefined for verbs that have none. */
  statusOf: ((progress: ProgressNumbers, secondsElapsed: number) => object) | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#start = options.clock.monotonic();
    this.#shownAt = this.#start;
  }

  /** Whether anybody wants to see progress; where not, nothing needs to be counted for it. */
  get showsProgress(): boolean {
    return !this.#options.quiet && (this.#options.json || this.#options.screen.isTTY === true);
  }

  /** Cheap to call often. */
  progress(progress: ProgressNumbers): void {
    const { json, clock, screen, status } = this.#options;
    if (!this.showsProgress) return;
    const now = clock.monotonic();
    if (now - this.#shownAt < (json ? JSON_STATUS_MS : REDRAW_MS)) return;
    this.#shownAt = now;
    const elapsed = now - this.#start;
    if (json) {
      if (this.statusOf !== undefined) status(this.statusOf(progress, Math.floor(elapsed / 1000)));
      return;
    }
    const line = progressLine(progress, elapsed);
    screen.write(`\r${line.slice(0, Math.max(20, (screen.columns || 80) - 1))}\x1b[K`);
    this.#line = true;
  }

  /** Something could not be done while the rest goes on. */
  problem({
    item,
    during,
    error,
  }: {
    readonly item: string;
    readonly during: string;
    readonly error: Error;
  }): void {
    this.errors++;
    const message = displayableError(error);
    if (this.#options.json) this.#json({ message_type: 'error', error: { message }, during, item });
    else this.#text(`error: ${escapeText(item)}: ${message}`);
  }

  /** Good to know, and no failure. */
  notice(message: string): void {
    if (this.#options.quiet) return;
    if (this.#options.json) this.#json({ message_type: 'notice', message });
    else this.#text(escapeText(message));
  }

  /** To be known also by those who wanted quiet. */
  warning(message: string): void {
    if (this.#options.json) this.#json({ message_type: 'warning', message });
    else this.#text(`warning: ${escapeText(message)}`);
  }

  /** Takes the progress line away, if there is one. */
  clear(): void {
    if (!this.#line) return;
    this.#options.screen.write('\r\x1b[K');
    this.#line = false;
  }

  #json(message: object): void {
    this.#options.screen.write(`${JSON.stringify(message)}\n`);
  }

  #text(line: string): void {
    this.clear();
    this.#options.screen.write(`${line}\n`);
  }
}

/** `[0:05] 12.3%  1234 files, 1.200 GiB of 3.400 GiB, 210.000 MiB/s, 0:10 left, 2 errors  /path` */
export function progressLine(progress: ProgressNumbers, elapsedMs: number): string {
  const { filesDone, filesTotal, bytesDone, bytesTotal, errors, current } = progress;
  const speed = elapsedMs > 0 ? (bytesDone / elapsedMs) * 1000 : 0;
  const percent = fractionDone(progress);
  const left = secondsLeft(progress, elapsedMs);
  const parts = [
    filesTotal === undefined ? `${filesDone} files` : `${filesDone} of ${filesTotal} files`,
    bytesTotal === undefined
      ? formatBytes(bytesDone)
      : `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`,
    `${formatBytes(Math.round(speed))}/s`,
    ...(left === undefined ? [] : [`${formatDuration(left * 1000)} left`]),
    ...(errors === 0 ? [] : [`${errors} ${errors === 1 ? 'error' : 'errors'}`]),
  ];
  const start = `[${formatDuration(elapsedMs)}]${percent === undefined ? '' : ` ${(percent * 100).toFixed(1)}%`}`;
  return `${start}  ${parts.join(', ')}${current === undefined ? '' : `  ${escapeText(current)}`}`;
}

/** From 0 to 1, or undefined while the total is not known. */
export function fractionDone({
  bytesDone,
  bytesTotal,
  filesDone,
  filesTotal,
}: ProgressNumbers): number | undefined {
  if (bytesTotal !== undefined && bytesTotal > 0) return Math.min(1, bytesDone / bytesTotal);
  if (filesTotal !== undefined && filesTotal > 0) return Math.min(1, filesDone / filesTotal);
  return undefined;
}

/** Whole seconds, if things go on as they did. */
export function secondsLeft(progress: ProgressNumbers, elapsedMs: number): number | undefined {
  const done = fractionDone(progress);
  if (done === undefined || done === 0) return undefined;
  return Math.round((elapsedMs / 1000) * (1 / done - 1));
}
