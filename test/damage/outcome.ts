import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hexOf } from '../../src/base/mod.ts';
import type { CheckReport } from '../../src/operations/mod.ts';
import { type Image, Repository } from '../../src/repository/mod.ts';
import {
  checkAll,
  codeOf,
  contextOf,
  differenceOf,
  errorsIn,
  type Gotten,
  KEY,
  readTree,
  restoreAll,
  type Tree,
  treeOf,
} from '../testing/repository-fixture.ts';
import { type Objects, type Subject, storeOf, type Wanted } from './subject.ts';

/** What became of a damaged repository, read by a process without caches. */
export interface Outcome {
  /** `refused`: it does not even open. `noted`: check tells of it, and takes it for no damage. */
  readonly check: 'refused' | 'error' | 'noted' | 'silent';
  readonly errors: readonly string[];
  /** Files that were read and restored exactly. */
  readonly exact: number;
  /** Files that could not be, and were named. */
  readonly named: number;
  /** Files that were given with other contents or attributes. */
  readonly wrong: readonly string[];
  /** Images and files that are missing, and nothing says so. */
  readonly unnamed: readonly string[];
}

export interface Examiner {
  readonly subject: Subject;
  /** How a check of the whole repository reads. */
  readonly baseline: string;
  /** Where to restore to. */
  readonly folder: string;
}

export function printed({ findings }: CheckReport): string {
  return JSON.stringify(
    findings.map(({ kind, object, error, images }) => [kind, object, error.message, images]),
  );
}

export interface Examination {
  readonly reads?: boolean;
  readonly restores?: (image: number) => boolean;
}

/**
 * Checks the objects, reads every file of every image, and restores some of them to disk.
 * Failures that are not operating errors reject.
 */
export async function examine(
  { subject, baseline, folder }: Examiner,
  objects: Objects,
  { reads = true, restores = () => false }: Examination = {},
): Promise<Outcome> {
  const store = storeOf(objects);
  const result: Tally = { exact: 0, named: 0, wrong: [], unnamed: [] };
  let report: CheckReport;
  try {
    report = await checkAll(await Repository.open(store, [KEY]));
  } catch (error) {
    return { check: 'refused', errors: [codeOf(error)], ...result };
  }
  const errors = errorsIn(report);
  const check = errors.length > 0 ? 'error' : printed(report) === baseline ? 'silent' : 'noted';
  if (!reads) return { check, errors, ...result };
  const repository = await Repository.open(store, [KEY]);
  const damaged: string[] = [];
  const images = await repository.images(({ object }) => damaged.push(object));
  const known = new Map(images.map((image) => [hexOf(image.id), image]));
  for (const [i, wanted] of subject.images.entries()) {
    const image = known.get(wanted.id);
    if (image === undefined) {
      if (errors.length + damaged.length > 0) result.named += wanted.tree.size;
      else result.unnamed.push(`image ${i}`);
      continue;
    }
    compare(await readTree(repository, image, wanted.source), wanted.tree, `image ${i} read`, result);
    if (restores(i))
      compare(
        await restoreTree(repository, image, wanted, folder),
        wanted.tree,
        `image ${i} restored`,
        result,
      );
  }
  for (const image of images)
    if (!subject.images.some(({ id }) => id === hexOf(image.id)))
      result.wrong.push(`image ${hexOf(image.id).slice(0, 8)}, which was never made`);
  return { check, errors, ...result };
}

interface Tally {
  exact: number;
  named: number;
  readonly wrong: string[];
  readonly unnamed: string[];
}

function compare({ tree, lost }: Gotten, wanted: Tree, what: string, result: Tally): void {
  for (const [path, found] of tree) {
    const entry = wanted.get(path);
    // Attributes of a folder are set last, and that they could not be is told apart.
    const difference = entry === undefined ? 'path' : differenceOf(found, entry);
    const isRight =
      difference === undefined || (found.type === 'folder' && lost > 0 && difference !== 'type');
    if (isRight) result.exact++;
    else result.wrong.push(`${what}: ${difference} of ${path}`);
  }
  const missing = [...wanted.keys()].filter((path) => !tree.has(path));
  if (missing.length <= lost) result.named += missing.length;
  else result.unnamed.push(`${what}: ${missing.length - lost} of ${missing.join(', ')}`);
}

async function restoreTree(
  repository: Repository,
  image: Image,
  { source }: Wanted,
  folder: string,
): Promise<Gotten> {
  const target = join(folder, 'restored');
  const below = join(target, source);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  const context = contextOf(repository);
  try {
    const { filesFailed, metadataProblems } = await restoreAll(context, image, target);
    if (filesFailed + metadataProblems > 0 && context.told.problems.length === 0)
      throw new Error('failures that are counted and not named');
    mkdirSync(below, { recursive: true });
    return { tree: treeOf(below), lost: filesFailed };
  } catch (error) {
    codeOf(error);
    mkdirSync(below, { recursive: true });
    return { tree: treeOf(below), lost: Number.POSITIVE_INFINITY };
  }
}
