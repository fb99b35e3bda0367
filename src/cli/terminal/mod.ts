export { displayableError, type Failure, failureOf } from './failure.ts';
export { Output } from './output.ts';
export { askSecret, type Keyboard, keyboard } from './prompt.ts';
export { fractionDone, type ProgressNumbers, Reporter, secondsLeft } from './reporter.ts';
export { formatBytes, formatDuration } from './size.ts';
export { type Column, tableLines } from './table.ts';
export { escapePath, escapeText, isUtf8 } from './text.ts';
export { parseTime } from './time.ts';
