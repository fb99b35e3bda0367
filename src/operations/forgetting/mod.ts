/** Which images go. */
export { GROUP_BY, type GroupBy, groupsOf, type ImageGroup } from './groups.ts';
export {
  addDuration,
  applyPolicy,
  type Candidate,
  hasTags,
  type KeepDuration,
  type KeepPolicy,
  keepsSomething,
  type PeriodName,
  parseKeepDuration,
  type Verdict,
} from './policy.ts';
export {
  checkMayGo,
  heldBy,
  type LastOfDatasets,
  lastOfDatasets,
  protectionOf,
  timeText,
} from './protection.ts';
