/**
 * The protocol of collection (docs/decisions/0024-collection.md) as a machine of small worlds: one chunk,
 * an old image that uses it, writers, readers and collectors, each a list of steps that take effect at
 * once. {@link explore} goes through every order of the steps, with suspensions, expiries and a power cut
 * wherever they can happen, and looks for a world in which something that exists has lost its chunk.
 */

/** Rules of the protocol; a mutant lacks one. */
export interface Rules {
  /** A writer reads the condemned lists. */
  readonly heedsCondemned: boolean;
  /** …after its `.open` is there, not before. */
  readonly opensFirst: boolean;
  /** A writer lists the packs after it read the condemned lists, and trusts no index. */
  readonly listsPacks: boolean;
  /** A writer checks its base after its `.open` is there. */
  readonly checksBase: boolean;
  /** …that it exists, not only that nothing says that it was forgotten. */
  readonly checksExistence: boolean;
  /** `.open` names the base, which is live then. */
  readonly pinsBase: boolean;
  /** A collector puts `expired`, and a writer's commit fails then. */
  readonly fences: boolean;
  /** An image exists only with its `.open`, which goes before `.end` does. */
  readonly opensGoFirst: boolean;
  /** A collector waits for the sessions that write. */
  readonly waits: boolean;
  /** …which it lists after it published its list, not before. */
  readonly publishesFirst: boolean;
  /** A collector marks a second time. */
  readonly marksAgain: boolean;
  /** In its second mark it reads the lists of the others. */
  readonly readsOtherLists: boolean;
  /** …after its own is there. */
  readonly readsListsLast: boolean;
  /** …and before it looks where frames are. */
  readonly readsListsBeforePlaces: boolean;
  /** A mark counts what readers pin. */
  readonly heedsPins: boolean;
  /** …and reads fates before it lists pins. */
  readonly readsFateFirst: boolean;
  /** A reader checks its image after its pin is there. */
  readonly readerChecks: boolean;
  /** A list goes when its packs are gone, whoever deletes it. */
  readonly listOutlivesPacks: boolean;
  /** Each run has a list of its own. */
  readonly ownLists: boolean;
  /** Packs are durably gone before a list that names them goes. */
  readonly durableDeletes: boolean;
}

export const ALL_RULES: Rules = {
  heedsCondemned: true,
  opensFirst: true,
  listsPacks: true,
  checksBase: true,
  checksExistence: true,
  pinsBase: true,
  fences: true,
  opensGoFirst: true,
  waits: true,
  publishesFirst: true,
  marksAgain: true,
  readsOtherLists: true,
  readsListsLast: true,
  readsListsBeforePlaces: true,
  heedsPins: true,
  readsFateFirst: true,
  readerChecks: true,
  listOutlivesPacks: true,
  ownLists: true,
  durableDeletes: true,
};

/** Who is in a world, and what may happen in it. */
export interface World {
  readonly writers: number;
  readonly readers: number;
  readonly collectors: number;
  /** A second pack has the chunk, too. */
  readonly twice: boolean;
  /** Writers take over the chunk from their base without looking for it. */
  readonly takesOver: boolean;
  /** Somebody forgets the old image at some time. */
  readonly forgets: boolean;
  /** Collectors copy the chunk to a new pack while it is live, as if the old one were mostly waste. */
  readonly copies: boolean;
  /** Another program deletes what expired sessions left. */
  readonly cleansSessions: boolean;
  /** Another program deletes lists that it may. */
  readonly cleansLists: boolean;
  /** The store may lose its power, so that deletes that were not durable are undone; programs elsewhere go on. */
  readonly losesPower: boolean;
}

/** Sets of packs are bits: two old ones, then those of the writers, then those of the collectors. */
type Packs = number;
const OLD = 1;
const TWIN = 2;
const NEW = 4;
/** A list that is not there. */
const NONE = -1;

interface Writer {
  at: 'begin' | 'condemned' | 'packs' | 'base' | 'chunk' | 'commit' | 'look' | 'done' | 'failed';
  /** Whether `.open` is there, and what `.end` says. */
  isOpen: boolean;
  end: 'none' | 'committed' | 'expired';
  condemned: Packs;
  /** The packs that it takes to be there. */
  packs: Packs;
  baseIsGood: boolean;
}

interface Reader {
  at: 'begin' | 'check' | 'read' | 'done' | 'failed' | 'lost';
  isPinned: boolean;
}

interface Collector {
  at:
    | 'fate'
    | 'sessions'
    | 'images'
    | 'choose'
    | 'copy'
    | 'publish'
    | 'writers'
    | 'wait'
    | 'lists'
    | 'places'
    | 'spare'
    | 'packs'
    | 'drop'
    | 'records'
    | 'fates'
    | 'done';
  mark: 1 | 2;
  isForgotten: boolean;
  isPinned: boolean;
  hasImages: boolean;
  isLive: boolean;
  /** What it has condemned, or is about to. */
  list: Packs;
  /** What others have condemned, and where the chunk is, as far as it has looked. */
  others: Packs;
  places: Packs;
  waitsFor: number[];
}

interface State {
  packs: Packs;
  /** The condemned list of each run. */
  lists: number[];
  /** Whether the fate of the old image says that it was forgotten, and whether its records are there. */
  isForgotten: boolean;
  isImageThere: boolean;
  wasForgotten: boolean;
  /** Packs that a power cut would bring back. */
  undoable: Packs;
  powerLost: boolean;
  writers: Writer[];
  readers: Reader[];
  collectors: Collector[];
}

export interface Exploration {
  readonly states: number;
  /** The steps to a world in which data is lost; undefined if there is none. */
  readonly violation: readonly string[] | undefined;
}

interface Step {
  readonly name: string;
  readonly before: Step | undefined;
}

/** Goes through every state that can be reached, and ends at the first that loses data. */
export function explore(world: World, rules: Rules = ALL_RULES): Exploration {
  const seen = new Set<string>();
  const toVisit: { state: State; last: Step | undefined }[] = [
    { state: beginning(world, rules), last: undefined },
  ];
  while (toVisit.length > 0) {
    const { state, last } = toVisit.pop()!;
    const key = keyOf(state);
    if (seen.has(key)) continue;
    seen.add(key);
    if (losesData(state)) return { states: seen.size, violation: namesOf(last) };
    for (const [name, next] of stepsFrom(state, world, rules))
      toVisit.push({ state: next, last: { name, before: last } });
  }
  return { states: seen.size, violation: undefined };
}

/** All of a state in few characters: there may be a million of them. */
function keyOf({ writers, readers, collectors, ...rest }: State): string {
  return [rest, ...writers, ...readers, ...collectors].map((part) => Object.values(part).join()).join(';');
}

function namesOf(last: Step | undefined): string[] {
  const names: string[] = [];
  for (let step = last; step !== undefined; step = step.before) names.push(step.name);
  return names.reverse();
}

function beginning(world: World, rules: Rules): State {
  const packs = world.twice ? OLD | TWIN : OLD;
  return {
    packs,
    lists: Array.from({ length: rules.ownLists ? world.collectors : 1 }, () => NONE),
    isForgotten: false,
    isImageThere: true,
    wasForgotten: false,
    undoable: 0,
    powerLost: false,
    writers: Array.from({ length: world.writers }, () => ({
      at: 'begin',
      isOpen: false,
      end: 'none',
      condemned: 0,
      // Of a program that has run for long: what was there at its start.
      packs,
      baseIsGood: true,
    })),
    readers: Array.from({ length: world.readers }, () => ({ at: 'begin', isPinned: false })),
    collectors: Array.from({ length: world.collectors }, () => ({
      at: 'fate',
      mark: 1,
      isForgotten: false,
      isPinned: false,
      hasImages: false,
      isLive: false,
      list: 0,
      others: 0,
      places: 0,
      waitsFor: [],
    })),
  };
}

/** Whether something that was acknowledged, and is not forgotten, cannot be read or is not there. */
function losesData(state: State): boolean {
  if (state.writers.some((writer) => writer.at === 'done' && !exists(writer))) return true;
  if (state.readers.some(({ at }) => at === 'lost')) return true;
  return state.packs === 0 && (!state.wasForgotten || state.writers.some(exists));
}

/** Whether the session's image exists. */
function exists({ isOpen, end }: Writer): boolean {
  return isOpen && end === 'committed';
}

/** Whether a collector must wait for the session. */
function isAtWork({ isOpen, end }: Writer): boolean {
  return isOpen && end === 'none';
}

function cloneOf(state: State): State {
  return {
    ...state,
    lists: [...state.lists],
    writers: state.writers.map((writer) => ({ ...writer })),
    readers: state.readers.map((reader) => ({ ...reader })),
    collectors: state.collectors.map((collector) => ({ ...collector })),
  };
}

type Next = [name: string, state: State];

function* stepsFrom(state: State, world: World, rules: Rules): Generator<Next> {
  const after = (name: string, change: (next: State) => void): Next => {
    const next = cloneOf(state);
    change(next);
    return [name, next];
  };
  if (world.forgets && !state.wasForgotten)
    yield after('somebody: forgets the old image', (next) => {
      next.isForgotten = true;
      next.wasForgotten = true;
    });
  for (const [i, writer] of state.writers.entries())
    if (writer.at !== 'done' && writer.at !== 'failed')
      yield after(`writer ${i}: ${writer.at}`, (next) => write(next, next.writers[i]!, i, world, rules));
  for (const [i, reader] of state.readers.entries())
    if (reader.at === 'begin' || reader.at === 'check' || reader.at === 'read')
      yield after(`reader ${i}: ${reader.at}`, (next) => read(next, next.readers[i]!, rules));
  for (const [i, collector] of state.collectors.entries()) {
    if (collector.at === 'done') continue;
    const open = collector.waitsFor.filter((one) => isAtWork(state.writers[one]!));
    if (collector.at !== 'wait' || open.length === 0)
      yield after(`collector ${i}: ${collector.at} ${collector.mark}`, (next) =>
        collect(next, next.collectors[i]!, i, world, rules),
      );
    else
      for (const one of open)
        yield after(`collector ${i}: expires writer ${one}`, (next) => {
          next.writers[one]!.end = 'expired';
        });
  }
  for (const [i, writer] of state.writers.entries())
    if (world.cleansSessions && writer.end === 'expired')
      yield after(`somebody: cleans the session of writer ${i}`, (next) => {
        if (rules.opensGoFirst) next.writers[i]!.isOpen = false;
        next.writers[i]!.end = 'none';
      });
  for (const [i, list] of state.lists.entries())
    if (world.cleansLists && list !== NONE && (!rules.listOutlivesPacks || (state.packs & list) === 0))
      yield after(`somebody: deletes list ${i}`, (next) => {
        next.lists[i] = NONE;
      });
  if (world.losesPower && !state.powerLost && state.undoable !== 0)
    yield after('the store: loses its power', (next) => {
      next.powerLost = true;
      next.packs |= next.undoable;
      next.undoable = 0;
    });
}

function write(state: State, writer: Writer, number: number, world: World, rules: Rules): void {
  const open = () => {
    writer.isOpen = true;
  };
  const heed = () => {
    writer.condemned = rules.heedsCondemned ? union(state.lists) : 0;
  };
  switch (writer.at) {
    case 'begin':
      if (rules.opensFirst) open();
      else heed();
      writer.at = 'condemned';
      return;
    case 'condemned':
      if (rules.opensFirst) heed();
      else open();
      writer.at = 'packs';
      return;
    case 'packs':
      if (rules.listsPacks) writer.packs = state.packs;
      writer.at = 'base';
      return;
    case 'base':
      if (rules.checksBase)
        writer.baseIsGood = !state.isForgotten && (state.isImageThere || !rules.checksExistence);
      writer.at = 'chunk';
      return;
    case 'chunk': {
      const isStored = (writer.packs & ~writer.condemned) !== 0;
      if (!isStored && !(world.takesOver && writer.baseIsGood)) state.packs |= NEW << number;
      writer.at = 'commit';
      return;
    }
    case 'commit':
      if (rules.fences && writer.end === 'expired') {
        writer.at = 'failed';
        return;
      }
      writer.end = 'committed';
      if (!rules.fences) writer.isOpen = true;
      writer.at = 'look';
      return;
    case 'look':
      writer.at = writer.isOpen ? 'done' : 'failed';
  }
}

function read(state: State, reader: Reader, rules: Rules): void {
  switch (reader.at) {
    case 'begin':
      reader.isPinned = true;
      reader.at = 'check';
      return;
    case 'check': {
      const isGood = !state.isForgotten && state.isImageThere;
      reader.at = isGood || !rules.readerChecks ? 'read' : 'failed';
      reader.isPinned = reader.at === 'read';
      return;
    }
    case 'read':
      reader.at = state.packs === 0 ? 'lost' : 'done';
      reader.isPinned = false;
  }
}

function collect(state: State, collector: Collector, number: number, world: World, rules: Rules): void {
  const own = rules.ownLists ? number : 0;
  const readFate = () => {
    collector.isForgotten = state.isForgotten;
  };
  const listSessions = () => {
    collector.hasImages = state.writers.some(exists);
    collector.isPinned =
      (rules.heedsPins && state.readers.some(({ isPinned }) => isPinned)) ||
      (rules.pinsBase && world.takesOver && state.writers.some(isAtWork));
  };
  const readLists = () => {
    collector.others = rules.readsOtherLists ? union(state.lists.filter((_, i) => i !== own)) : 0;
  };
  const findPlaces = () => {
    collector.places = state.packs;
  };
  switch (collector.at) {
    case 'fate':
      if (rules.readsFateFirst) readFate();
      else listSessions();
      collector.at = 'sessions';
      return;
    case 'sessions':
      if (rules.readsFateFirst) listSessions();
      else readFate();
      collector.at = 'images';
      return;
    case 'images':
      collector.isLive =
        (!collector.isForgotten && state.isImageThere) || collector.isPinned || collector.hasImages;
      collector.at = collector.mark === 1 ? 'choose' : rules.readsListsLast ? 'lists' : 'places';
      return;
    case 'choose':
      collector.list = state.packs;
      readLists();
      if (!collector.isLive) collector.at = rules.publishesFirst ? 'publish' : 'writers';
      else if (world.twice) {
        // Each may think that the other's copy is the one to keep.
        collector.list = number === 0 ? OLD : TWIN;
        collector.at = (state.packs & ~collector.list) === 0 ? 'done' : 'publish';
      } else collector.at = world.copies ? 'copy' : 'done';
      return;
    case 'copy':
      // Another run may have deleted what was to be copied.
      if ((state.packs & collector.list) === 0) collector.at = 'done';
      else {
        state.packs |= NEW << (world.writers + number);
        collector.at = rules.publishesFirst ? 'publish' : 'writers';
      }
      return;
    case 'publish':
      state.lists[own] = collector.list;
      collector.at = rules.publishesFirst ? 'writers' : 'wait';
      return;
    case 'writers':
      collector.waitsFor = rules.waits ? state.writers.flatMap((one, i) => (isAtWork(one) ? [i] : [])) : [];
      collector.at = rules.publishesFirst ? 'wait' : 'publish';
      return;
    case 'wait':
      collector.mark = 2;
      collector.at = rules.marksAgain ? 'fate' : 'packs';
      return;
    case 'lists':
      if (rules.readsListsBeforePlaces) readLists();
      else findPlaces();
      collector.at = 'places';
      return;
    case 'places': {
      if (!rules.readsListsLast || rules.readsListsBeforePlaces) findPlaces();
      else readLists();
      const isSafe = (collector.places & ~collector.list & ~collector.others) !== 0;
      collector.at = collector.isLive && !isSafe ? 'spare' : 'packs';
      return;
    }
    case 'spare':
      // Any pack in its list may be the one that is needed.
      state.lists[own] = NONE;
      collector.at = 'done';
      return;
    case 'packs':
      if (!rules.durableDeletes) state.undoable |= state.packs & collector.list;
      else state.undoable &= ~collector.list;
      state.packs &= ~collector.list;
      collector.at = 'drop';
      return;
    case 'drop':
      state.lists[own] = NONE;
      collector.at = collector.isForgotten ? 'records' : 'done';
      return;
    case 'records':
      state.isImageThere = false;
      collector.at = 'fates';
      return;
    case 'fates':
      state.isForgotten = false;
      collector.at = 'done';
  }
}

function union(lists: readonly number[]): Packs {
  return lists.reduce((all, list) => (list === NONE ? all : all | list), 0);
}
