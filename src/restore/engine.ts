import type { NodeSource } from '../image/mod.ts';
import type { StatBuffer } from '../os/mod.ts';
import type { Crew } from './crew.ts';
import type { FrameFetcher } from './frames.ts';
import type { LinkGroups } from './links.ts';
import type { FolderMaker } from './make-folder.ts';
import type { RestoreHost, RestoreOptions } from './options.ts';
import type { Removal } from './removal.ts';
import type { Scope } from './scope.ts';
import type { Tally } from './tally.ts';
import type { TargetFolders } from './target-folders.ts';

/** What the parts of one restore share. */
export interface Engine {
  readonly host: RestoreHost;
  readonly options: RestoreOptions;
  readonly scope: Scope;
  readonly source: NodeSource;
  readonly crew: Crew;
  readonly frames: FrameFetcher;
  readonly folders: TargetFolders;
  readonly maker: FolderMaker;
  readonly links: LinkGroups;
  readonly removal: Removal;
  readonly tally: Tally;
  readonly stat: StatBuffer;
  /** The target does not exist, in a dry run. */
  readonly isTargetMissing: boolean;
  /** Places, below the target, of what was kept as NAME.partial. */
  readonly partials: Set<string>;
}
