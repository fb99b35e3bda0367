import type { ByteString } from '../base/mod.ts';
import type { MetadataTally } from './attributes.ts';
import type { Failure } from './failure.ts';
import type { FileList, FileState } from './file-list.ts';
import type { OverwritePolicy } from './options.ts';

/** What a worker is made with. Descriptors belong to the process, so all threads share the target's. */
export interface WorkerSetup {
  readonly domainSecret: Uint8Array;
  readonly slabs: readonly SharedArrayBuffer[];
  readonly root: number;
  readonly uid: number;
  readonly gid: number;
  readonly overwrite: OverwritePolicy;
  readonly dryRun: boolean;
}

/** A stored chunk in a slab, or why it could not be fetched. */
export interface LoadedFrame {
  readonly id: Uint8Array;
  readonly at: number;
  readonly length: number;
  readonly failure: Omit<Failure, 'index'> | undefined;
}

/** Stored chunks, and the keys that open them. */
export interface Loaded {
  readonly slab: number;
  readonly frames: readonly LoadedFrame[];
  readonly keys: readonly { readonly id: Uint8Array; readonly key: Uint8Array }[];
}

/** Looks at what is there in place of files, and gives what is right its attributes. */
export interface ExamineTask {
  readonly type: 'examine';
  readonly files: FileList;
}

export interface ExamineResult extends TaskReport {
  /** A `FileState` for each file. */
  readonly states: Uint8Array;
}

/** Makes whole files out of chunks. */
export interface FilesTask {
  readonly type: 'files';
  readonly loaded: Loaded;
  readonly files: FileList;
}

/** Begins, or looks at, a long file. */
export interface BeginTask {
  readonly type: 'begin';
  /** One. */
  readonly file: FileList;
  readonly length: number;
}

export interface BeginResult extends TaskReport {
  readonly state: FileState;
  /** The name that the file has while it is being written. */
  readonly name: ByteString;
  /** Whether what was there is changed now. */
  readonly modified: boolean;
}

/** Compares a file with what it should hold, without the chunks, and makes its holes. */
export interface CompareTask {
  readonly type: 'compare';
  readonly folder: ByteString;
  readonly name: ByteString;
  /** Position and length of each piece, and 1 where it is a hole. */
  readonly pieces: Float64Array;
  /** 32 bytes a piece. */
  readonly ids: Uint8Array;
  /** Whether data in holes may be given back to the file system. */
  readonly makeHoles: boolean;
}

export interface CompareResult extends TaskReport {
  /** 1 for each piece that is right; the others may be, where they are but a part of their chunk. */
  readonly right: Uint8Array;
  readonly modified: boolean;
}

/** Writes slices of chunks into a long file. */
export interface SlicesTask {
  readonly type: 'slices';
  readonly loaded: Loaded;
  readonly folder: ByteString;
  readonly name: ByteString;
  /** As in `FileList.pieces`. */
  readonly slices: Float64Array;
  /** Whether something is there, so that it is compared first. */
  readonly compareFirst: boolean;
  /** Whether differences are to be found and not mended. */
  readonly onlyCompare: boolean;
}

export interface SlicesResult extends TaskReport {
  /** By slice. */
  readonly failures: readonly Failure[];
  /** Slices that were not what they should be. */
  readonly differing: readonly number[];
  readonly bytesWritten: number;
}

/** Ends a long file. */
export interface FinishTask {
  readonly type: 'finish';
  /** One; its name is the final one. */
  readonly file: FileList;
  /** The name that it has now. */
  readonly name: ByteString;
  readonly outcome: 'whole' | 'discard' | 'partial';
  /** Position and length of what could not be restored: made holes in a partial file. */
  readonly lost: Float64Array;
}

/** Makes symlinks, FIFOs, sockets and devices. */
export interface SpecialsTask {
  readonly type: 'specials';
  readonly files: FileList;
}

/** Reads short files back. */
export interface VerifyTask {
  readonly type: 'verify';
  readonly files: FileList;
}

/** `states`: right, missing, or inPlace where only a comparison piece by piece can tell. */
export type VerifyResult = ExamineResult;

export type Task =
  | ExamineTask
  | FilesTask
  | BeginTask
  | CompareTask
  | SlicesTask
  | FinishTask
  | SpecialsTask
  | VerifyTask;

/** What every task reports. */
export interface TaskReport {
  readonly failures: readonly Failure[];
  readonly metadata: MetadataTally;
  /** INODE_FIELDS numbers for each file of a group of hard links: its index, then what identifies the inode. */
  readonly inodes: readonly number[];
  /** Time by stage, ms. */
  readonly decode: number;
  readonly write: number;
  readonly set: number;
}

export const INODE_FIELDS = 5;

export interface TaskResults {
  examine: ExamineResult;
  files: TaskReport;
  begin: BeginResult;
  compare: CompareResult;
  slices: SlicesResult;
  finish: TaskReport;
  specials: ExamineResult;
  verify: VerifyResult;
}
