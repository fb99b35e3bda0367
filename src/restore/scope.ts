import { type ByteString, displayText, EverfullError } from '../base/mod.ts';
import {
  decodeEntry,
  ENTRY_ANCESTOR,
  EntryType,
  isName,
  isPathKey,
  pathKeyOf,
  pathOfKey,
  prefixEnd,
  subtreePrefix,
} from '../format/mod.ts';
import { type KeyRange, lookUp, type NodeSource, type TreeRoot } from '../image/mod.ts';
import type { Place } from './file-list.ts';
import { walkIndex } from './index-walk.ts';
import type { RestoreOptions } from './options.ts';

/** An entry of the image and where it goes. */
export interface Found {
  /** In the image. */
  readonly path: ByteString;
  readonly folder: FolderScope;
  readonly name: ByteString;
  /** Undefined where `strip` leaves nothing of the path. */
  readonly place: Place | undefined;
  readonly selected: boolean;
  readonly type: EntryType;
  /** Encoded. */
  readonly value: Uint8Array;
}

/** A folder of the image that is looked into. */
export interface FolderScope {
  /** In the image. */
  readonly path: ByteString;
  /** Below the target; undefined where `strip` leaves nothing of what is in it. */
  readonly place: ByteString | undefined;
  /** The folders from the start of what is restored down to this one that are not selected themselves. */
  readonly unselected: readonly ByteString[];
}

interface ChainLink {
  readonly path: ByteString;
  readonly selected: boolean;
  readonly descend: boolean;
}

export type OnUnreadable = (path: ByteString, items: number, error: EverfullError) => void;

/** Which entries of an image are restored, and where to. */
export class Scope {
  readonly source: NodeSource;
  readonly #root: TreeRoot;
  readonly #options: RestoreOptions;
  /** The folder whose contents go into the target. */
  readonly base: ByteString;
  readonly #range: KeyRange;
  /** The entry that the target itself stands for. */
  readonly top: { readonly path: ByteString; readonly value: Uint8Array } | undefined;
  /** The one file that is restored, if it is one. */
  readonly #single: Uint8Array | undefined;
  #chain: ChainLink[] = [];

  private constructor(
    source: NodeSource,
    root: TreeRoot,
    options: RestoreOptions,
    path: ByteString,
    value: Uint8Array | undefined,
  ) {
    this.source = source;
    this.#root = root;
    this.#options = options;
    const isFolder = value === undefined || value[0] === EntryType.folder;
    this.base = isFolder ? path : path.slice(0, path.lastIndexOf('/')) || '/';
    this.#single = isFolder ? undefined : value;
    const prefix = subtreePrefix(path);
    this.#range = prefix === '' ? { from: '\0' } : { from: prefix, to: prefixEnd(prefix) };
    // What only leads to the things backed up says nothing of the target.
    const isTop =
      isFolder &&
      value !== undefined &&
      options.strip === 0 &&
      (path !== '/' || !(decodeEntry(value).flags & ENTRY_ANCESTOR));
    this.top = isTop ? { path, value: value! } : undefined;
  }

  /** Rejects with 'path-missing'. */
  static async open(source: NodeSource, root: TreeRoot, options: RestoreOptions): Promise<Scope> {
    const path = (options.path ?? '').replace(/\/+$/, '') || '/';
    const item = await lookUp(source, root, pathKeyOf(path)).catch((error: unknown) => {
      // The whole image can be restored, as far as it can be read, without the entry of its root.
      if (path === '/') return undefined;
      throw error;
    });
    if (item === undefined && path !== '/') {
      throw new EverfullError(
        'path-missing',
        `Could not restore "${displayText(path)}": the image has no such path`,
        { advice: 'See what it has with: everfull ls IMAGE' },
      );
    }
    return new Scope(source, root, options, path, item?.value);
  }

  /** Everything that may be selected, leaf by leaf; what cannot be read is named. */
  async *found(
    options: { readonly reverse?: boolean; readonly onUnreadable?: OnUnreadable } = {},
  ): AsyncGenerator<readonly Found[]> {
    const { reverse = false, onUnreadable = () => {} } = options;
    if (this.#single !== undefined) {
      const path = (this.#options.path ?? '').replace(/\/+$/, '');
      yield [
        this.#foundIn(this.#folder(this.base)!, path.slice(path.lastIndexOf('/') + 1), path, this.#single),
      ];
      return;
    }
    const onLost = (items: number, key: ByteString, error: EverfullError) =>
      onUnreadable(isPathKey(key) ? pathOfKey(key) : this.base, items, error);
    let prefix: ByteString | undefined;
    let folder: FolderScope | undefined;
    for await (const items of walkIndex(this.source, this.#root, this.#range, { reverse, onLost })) {
      const found: Found[] = [];
      for (const { key, value } of items) {
        const end = key.lastIndexOf('\0') + 1;
        if (prefix === undefined || prefix.length !== end || !key.startsWith(prefix)) {
          if (!isPathKey(key) || key === '') {
            onUnreadable(
              this.base,
              1,
              new EverfullError(
                'damaged',
                `"${displayText(key.replaceAll('\0', '/'))}" is no name that an entry can have`,
              ),
            );
            continue;
          }
          prefix = key.slice(0, end);
          const path = pathOfKey(key);
          folder = this.#folder(path.slice(0, path.lastIndexOf('/')) || '/');
        }
        const name = key.slice(end);
        if (!isName(name)) {
          onUnreadable(
            folder?.path ?? this.base,
            1,
            new EverfullError('damaged', `"${displayText(name)}" is no name that an entry can have`),
          );
          continue;
        }
        if (folder === undefined) continue;
        found.push(
          this.#foundIn(folder, name, folder.path === '/' ? `/${name}` : `${folder.path}/${name}`, value),
        );
      }
      if (found.length > 0) yield found;
    }
  }

  #foundIn(folder: FolderScope, name: ByteString, path: ByteString, value: Uint8Array): Found {
    const type = value[0] as EntryType;
    const place = folder.place === undefined ? undefined : { folder: folder.place, name };
    const { selected } = this.#options.select(path, type === EntryType.folder);
    return { path, folder, name, place, selected: selected && place !== undefined, type, value };
  }

  /** A folder of the image; undefined where nothing in it is selected. */
  #folder(path: ByteString): FolderScope | undefined {
    const chain = this.#chain;
    while (chain.length > 0 && !isWithin(path, chain.at(-1)!.path)) chain.pop();
    const known = chain.at(-1)?.path ?? this.base;
    for (
      let end = nextComponent(path, known);
      end <= path.length;
      end = nextComponent(path, path.slice(0, end))
    ) {
      const prefix = path.slice(0, end);
      chain.push({ path: prefix, ...this.#options.select(prefix, true) });
    }
    if (chain.some(({ descend }) => !descend)) return undefined;
    return {
      path,
      place: this.#placeOf(path),
      unselected: chain.filter(({ selected }) => !selected).map((link) => link.path),
    };
  }

  #placeOf(path: ByteString): ByteString | undefined {
    const below = path.slice(this.base === '/' ? 1 : this.base.length + 1);
    const { strip } = this.#options;
    if (strip === 0) return below;
    const parts = below === '' ? [] : below.split('/');
    return parts.length < strip ? undefined : parts.slice(strip).join('/');
  }
}

/** Whether `path` is the folder `folder` or below it. */
function isWithin(path: ByteString, folder: ByteString): boolean {
  return path.startsWith(folder) && (path.length === folder.length || path[folder.length] === '/');
}

/** Where in `path` the component ends that follows the folder `above`; beyond its end if none does. */
function nextComponent(path: ByteString, above: ByteString): number {
  const start = above === '/' ? 1 : above.length + 1;
  if (start >= path.length) return path.length + 1;
  const slash = path.indexOf('/', start);
  return slash < 0 ? path.length : slash;
}
