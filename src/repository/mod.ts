export { type FramePlace, readPackTable } from './chunk-index.ts';
export * from './names.ts';
export { type Damage, dryRunOf, type Image, type Manifest, Repository } from './repository.ts';
export { type ImageToCommit, type PlainNode, WriteSession } from './session.ts';
