export { blame } from './blame.ts';
export { type CheckedImage, checkChains } from './chains.ts';
export { type Finding, Findings, type TouchedImage } from './findings.ts';
export { Inventory } from './inventory.ts';
export { checkKeys } from './key-objects.ts';
export { FrameLosses } from './losses.ts';
export { checkPacks, type PackShape } from './packs.ts';
export { readPacks } from './read-packs.ts';
export { TreeCheck } from './trees.ts';
