export { ImageLosses } from './image-losses.ts';
export { type LostPart, type Rebuilt, rebuildIndex } from './rebuild.ts';
