import { EverfullError } from '../base/mod.ts';
import { decodeEntry, EntryType } from '../format/mod.ts';
import { close, openFile } from '../os/mod.ts';
import type { Attributes } from './attributes.ts';
import { Bounded } from './crew.ts';
import type { Engine } from './engine.ts';
import { asOperating } from './failure.ts';
import { FileListBuilder, FileState } from './file-list.ts';

import { type WantedFile, wantedOf } from './plan.ts';
import { folderInTheWay, type RestoreFiles, unblock } from './restore-files.ts';
import type { Found } from './scope.ts';
import { restoreError } from './tally.ts';

const BATCH = 256;
const BATCHES_AT_ONCE = 32;

/** Makes symlinks, FIFOs, sockets and devices, then further names of what was made. */
export class RestoreSpecials {
  readonly #engine: Engine;
  readonly #files: RestoreFiles;
  readonly #attributes: Attributes;

  constructor(engine: Engine, files: RestoreFiles, attributes: Attributes) {
    this.#engine = engine;
    this.#files = files;
    this.#attributes = attributes;
  }

  /** @param deferred gives what is deferred, each time from the start */
  async run(deferred: () => AsyncIterable<readonly Found[]>): Promise<void> {
    const { tally } = this.#engine;
    const start = performance.now();
    const work = new Bounded(BATCHES_AT_ONCE);
    let batch: WantedFile[] = [];
    let hasLinks = false;
    const send = async () => {
      const files = batch;
      batch = [];
      if (files.length > 0) await work.start(() => this.#make(files));
    };
    try {
      for await (const found of deferred()) {
        tally.check();
        for (const item of found) {
          const wanted = wantedOf(item.path, item.place!, item.value);
          if (!this.#engine.links.isLeader(wanted)) {
            hasLinks = true;
            continue;
          }
          if (this.#readyFolder(wanted)) batch.push(wanted);
          if (batch.length >= BATCH) await send();
        }
      }
      await send();
    } finally {
      await work.done();
    }
    if (hasLinks) for await (const found of deferred()) await this.#link(found);
    await this.#files.done();
    this.#lock();
    tally.stage('links', performance.now() - start);
  }

  #readyFolder({ place, path, size }: WantedFile): boolean {
    const { maker, tally, isTargetMissing } = this.#engine;
    if (isTargetMissing) {
      tally.restored(path, size);
      return false;
    }
    try {
      if (!maker.ensure(place.folder) || !this.#engine.options.dryRun) return true;
      tally.restored(path, size);
    } catch (error) {
      tally.failed(path, size, restoreError(path, asOperating(error)));
    }
    return false;
  }

  async #make(files: readonly WantedFile[], isSecondTry = false): Promise<void> {
    const { crew, tally, links } = this.#engine;
    tally.check();
    const list = new FileListBuilder();
    for (const { place, value } of files) list.add(place, value, FileState.missing);
    const result = await crew.run({ type: 'specials', files: list.finish() });
    tally.report(result, (index) => files[index].path);
    links.note(result.inodes, (index) => files[index].linkGroup);
    const freed: WantedFile[] = [];
    for (const [index, file] of files.entries()) {
      const state = result.states[index];
      if (state === FileState.missing) tally.restored(file.path, 0);
      else if (state === FileState.right) tally.skipped(file.path, 0);
      else if (state === FileState.kept) tally.kept(file.path, 0);
      else if (state === FileState.blocked && !isSecondTry && unblock(this.#engine, file)) freed.push(file);
      else if (state === FileState.blocked)
        tally.failed(file.path, 0, restoreError(file.path, folderInTheWay()));
    }
    for (const { index, code, reason } of result.failures) {
      const { path } = files[index];
      tally.failed(path, 0, restoreError(path, new EverfullError(code, reason)));
    }
    tally.progress();
    if (freed.length > 0) await this.#make(freed, true);
  }

  async #link(found: readonly Found[]): Promise<void> {
    const { links, tally, folders, stat, options } = this.#engine;
    tally.check();
    for (const item of found) {
      const wanted = wantedOf(item.path, item.place!, item.value);
      const { path, size } = wanted;
      if (links.isLeader(wanted) || !this.#readyFolder(wanted)) continue;
      const around = { folders, stat, overwrite: options.overwrite, dryRun: options.dryRun };
      try {
        let state = links.link(wanted, around);
        if (state === FileState.blocked && unblock(this.#engine, wanted)) state = links.link(wanted, around);
        // Its bytes were written, or found right, under the leader's name.
        if (state === FileState.missing) tally.restored(path, size, 0);
        else if (state === FileState.right) tally.skipped(path, size);
        else if (state === FileState.kept) tally.kept(path, size);
        else if (state === FileState.blocked) throw folderInTheWay();
        else await this.#alone(wanted);
      } catch (error) {
        tally.check();
        tally.failed(path, size, restoreError(path, asOperating(error)));
      }
    }
    tally.progress();
  }

  /** Now that all names are there, flags that forbid more of them. */
  #lock(): void {
    const { links, tally, folders, options } = this.#engine;
    if (options.dryRun) return;
    for (const file of links.locked) {
      if (!links.isRestored(file)) continue;
      try {
        const fd = openFile(folders.open(file.place.folder), file.place.name);
        try {
          this.#attributes.setLocks(fd, decodeEntry(file.value));
        } finally {
          close(fd);
        }
      } catch (error) {
        tally.failed(file.path, 0, restoreError(file.path, asOperating(error)), 'metadata');
      }
      tally.metadata(this.#attributes.takeTally(), () => file.path);
    }
  }

  /** A member that cannot be linked is restored by its own content. */
  async #alone(wanted: WantedFile): Promise<void> {
    if (wanted.value[0] === EntryType.file) await this.#files.add(wanted);
    else await this.#make([wanted]);
  }
}
