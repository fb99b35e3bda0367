export { type ApplyOptions, applyChanges, type EntryToSet } from './apply-changes.ts';
export {
  type ChunkSource,
  type EntryChange,
  ImageReader,
  type ImageSources,
  type ReadOptions,
  type WalkedEntry,
} from './image-reader.ts';
export { differingNodes, type NodeDifference } from './node-difference.ts';
export { checkLists, listsOf, type NodeLists } from './node-lists.ts';
export { readAhead } from './read-ahead.ts';
export { type BuiltNode, type NodeKind, type NodeSink, TreeBuilder, type TreeRoot } from './tree-builder.ts';
export {
  compareIndexes,
  type IndexChange,
  type KeyRange,
  leavesInRange,
  lookUp,
  type NodeSource,
  type PlacedPiece,
  piecesInRange,
  readContentNode,
  readIndexNode,
} from './tree-reader.ts';
