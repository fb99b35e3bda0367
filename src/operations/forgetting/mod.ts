/** Which images go. */
export {
  applyPolicy,
  type Candidate,
  type KeepDuration,
  type KeepPolicy,
  keepsSomething,
  parseKeepDuration,
  type Verdict,
} from './policy.ts';
