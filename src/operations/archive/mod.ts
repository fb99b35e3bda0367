export type { Member } from './member.ts';
export { tarArchive } from './tar.ts';
export { zipArchive } from './zip.ts';
