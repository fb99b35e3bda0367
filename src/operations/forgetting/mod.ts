/** Which images go. */
export {
  applyPolicy,
  type Candidate,
  type KeepDuration,
  type KeepPolicy,
  keepsSomething,
  type PeriodName,
  parseKeepDuration,
  type Verdict,
} from './policy.ts';
