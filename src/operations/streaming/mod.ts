export { BaseFrames } from './base-frames.ts';
export { type ImageFrame, imageFrames } from './image-frames.ts';
export { readStream } from './read-stream.ts';
export { Receiver } from './receiver.ts';
