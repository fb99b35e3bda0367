export { type ComponentMatcher, compileComponent } from './component.ts';
export { expandGlob, type GlobResult } from './glob.ts';
export {
  type Environment,
  parseExcludeFile,
  parseFilesFrom,
  parseFilesFromRaw,
  parseFilesFromVerbatim,
} from './lists.ts';
export { CACHE_MARKER, type Marker, parseExcludeIfPresent } from './markers.ts';
export {
  compilePatterns,
  escapePattern,
  type PatternList,
  type PatternMatch,
  type PatternOptions,
} from './patterns.ts';
export { type RestoreChoice, RestoreSelection, type RestoreSelectionOptions } from './restore-selection.ts';
export { lowerCase } from './rune.ts';
export {
  compileExcludes,
  type ExcludeOptions,
  type Excludes,
  leavesOut,
  type ReadHeader,
  Selection,
  type SelectionOptions,
} from './selection.ts';
export { parseSize } from './size.ts';
