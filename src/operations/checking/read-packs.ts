import {
  bytesFromHex,
  EverfullError,
  hexOf,
  isEverfullError,
  threadCount,
  WorkerPool,
} from '../../base/mod.ts';
import { FrameKind, type PackRow } from '../../format/mod.ts';
import { readAhead } from '../../image/mod.ts';
import { packName, type Repository, readPackTable } from '../../repository/mod.ts';
import type { ObjectStore } from '../../store/mod.ts';
import type { Findings } from './findings.ts';
import {
  checkFrames,
  type FrameCheckSetup,
  type FrameRun,
  type FrameToCheck,
  type FrameVerdicts,
  sealersOf,
} from './frame-check.ts';
import type { FrameLosses } from './losses.ts';
import type { PackShape } from './packs.ts';

/** Frames are read in runs of about this many bytes. */
const RUN_BYTES = 4 * 1024 * 1024;
/** Runs on their way at once for each thread: one being checked, one waiting, one being read. */
const RUNS_A_THREAD = 3;
/** Below this the threads would take longer to start than the work takes. */
const THREADS_FROM_BYTES = 32 * 1024 * 1024;

type Row = Pick<PackRow, 'id' | 'kind' | 'offset' | 'length'> & { readonly digest: Uint8Array | undefined };

interface Run {
  readonly shape: PackShape;
  readonly rows: readonly Row[];
  readonly isLastOfPack: boolean;
}

export interface ReadPacksOptions {
  readonly repository: Repository;
  readonly setup: FrameCheckSetup;
  readonly losses: FrameLosses;
  readonly findings: Findings;
  /** Called now and then; throws to end the work. */
  readonly checkpoint: () => void;
  /** Called after each pack. */
  progress(bytesDone: number, bytesTotal: number, errors: number): void;
}

/** Reads every frame of `packs` and opens it, with all cores and bounded memory. How many frames there were. */
export async function readPacks(packs: readonly PackShape[], options: ReadPacksOptions): Promise<number> {
  const { repository, setup, losses } = options;
  const bytesTotal = packs.reduce((sum, { bytes }) => sum + bytes, 0);
  const check = checkerOf(repository, setup, bytesTotal);
  let frames = 0;
  let bytesDone = 0;
  let errors = 0;
  try {
    const work = async (run: Run) => ({ run, verdicts: await readRun(repository.store, run, check.run) });
    for await (const { run, verdicts } of readAhead(runsOf(packs, options), check.atOnce, work)) {
      options.checkpoint();
      const { pack, bytes } = run.shape;
      for (const [i, { id, kind }] of run.rows.entries())
        if (kind === FrameKind.chunk && verdicts.plainLengths[i]! > 0)
          losses.chunkIsSound(id, verdicts.plainLengths[i]!);
      for (const { index, message } of verdicts.failures)
        losses.loseFrame(run.rows[index]!.id, pack, new EverfullError('damaged', message));
      frames += run.rows.length;
      errors += verdicts.failures.length;
      if (!run.isLastOfPack) continue;
      losses.packWasRead(pack);
      bytesDone += bytes;
      options.progress(bytesDone, bytesTotal, errors);
    }
  } finally {
    await check.close();
  }
  return frames;
}

function checkerOf(repository: Repository, setup: FrameCheckSetup, bytes: number) {
  if (bytes < THREADS_FROM_BYTES) {
    const sealers = sealersOf(setup.dataKeys);
    return {
      run: async (run: FrameRun) => checkFrames(run, repository.secrets, sealers),
      atOnce: RUNS_A_THREAD,
      close: async () => {},
    };
  }
  const program = new URL(
    import.meta.url.endsWith('.ts') ? './frame-worker.ts' : './frame-worker.js',
    import.meta.url,
  );
  const pool = new WorkerPool<FrameRun>(program, setup);
  return {
    run: (run: FrameRun) => pool.run(run) as Promise<FrameVerdicts>,
    atOnce: RUNS_A_THREAD * threadCount(),
    close: () => pool.close(),
  };
}

async function* runsOf(packs: readonly PackShape[], options: ReadPacksOptions): AsyncGenerator<Run> {
  for (const shape of packs) {
    const rows = await rowsOf(shape, options);
    for (let start = 0; start < rows.length; ) {
      let end = start + 1;
      while (
        end < rows.length &&
        rows[end]!.offset === rows[end - 1]!.offset + rows[end - 1]!.length &&
        rows[end]!.offset + rows[end]!.length - rows[start]!.offset <= RUN_BYTES
      )
        end++;
      yield { shape, rows: rows.slice(start, end), isLastOfPack: end === rows.length };
      start = end;
    }
  }
}

/** The frames of a pack in its order; where its table is lost, those that the index knows. */
async function rowsOf(
  { pack, bytes, hasTable }: PackShape,
  { repository, findings }: ReadPacksOptions,
): Promise<Row[]> {
  const { store, index } = repository;
  const name = bytesFromHex(pack);
  if (hasTable)
    return (await findings.guard(packName(name), () => readPackTable(store, { name, bytes }))) ?? [];
  const rows: Row[] = [];
  for (const { id, kind, offset, length, pack: place } of index.all())
    if (hexOf(place) === pack) rows.push({ id, kind, offset, length, digest: undefined });
  return rows.sort((a, b) => a.offset - b.offset);
}

async function readRun(
  store: ObjectStore,
  { shape, rows }: Run,
  check: (run: FrameRun) => Promise<FrameVerdicts>,
): Promise<FrameVerdicts> {
  const start = rows[0]!.offset;
  const last = rows[rows.length - 1]!;
  try {
    const bytes = await store.get(packName(bytesFromHex(shape.pack)), {
      range: { offset: start, length: last.offset + last.length - start },
    });
    const frames: FrameToCheck[] = rows.map(({ id, kind, offset, length, digest }) => ({
      id,
      kind,
      at: offset - start,
      length,
      digest,
    }));
    return await check({ bytes, frames });
  } catch (error) {
    if (!isEverfullError(error)) throw error;
    // One that cannot be read does not speak against its neighbours.
    if (rows.length > 1)
      return joined(
        await Promise.all(
          rows.map((row) => readRun(store, { shape, rows: [row], isLastOfPack: false }, check)),
        ),
      );
    return { plainLengths: new Uint32Array(1), failures: [{ index: 0, message: error.message }] };
  }
}

function joined(parts: readonly FrameVerdicts[]): FrameVerdicts {
  return {
    plainLengths: Uint32Array.from(parts.map(({ plainLengths }) => plainLengths[0]!)),
    failures: parts.flatMap(({ failures }, index) => failures.map(({ message }) => ({ index, message }))),
  };
}
