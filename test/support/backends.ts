import { openEmbeddedLog, type EmbeddedLog } from '../../src/commands/log.embedded.js';
import type { Context } from '../../src/commands/context.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import { setLevel } from '../../src/logger.js';
import type { Sources } from '../../src/queries/tail.js';
import { openSqliteStore } from '../../src/projections/store.sqlite.js';
import { incarnation } from '../projections/recorded.js';
import { temporaryFolder } from './node.js';

/** The embedded log and store, as a node has them, in a folder of their own. */
export interface BackEnds extends Sources {
  readonly log: EmbeddedLog;
  /** Closes them and opens them again, as a new process would. */
  reopen(): Promise<BackEnds>;
  /** Closes them and removes what is left. */
  dispose(): Promise<void>;
}

export async function openBackEnds(): Promise<BackEnds> {
  setLevel('silent');
  const { path, remove } = await temporaryFolder();
  const open = async (): Promise<BackEnds> => {
    const log = await openEmbeddedLog(path);
    const store = await openSqliteStore(path);
    const close = async (): Promise<void> => {
      await log.close();
      await store.close();
    };
    return {
      log,
      store,
      historyOf: incarnation,
      reopen: async () => {
        await close();
        return open();
      },
      dispose: async () => {
        await close();
        await remove();
      },
    };
  };
  return open();
}

/** Opens back ends before the tests of a suite, hands them over, and removes them in the end. */
export function withBackEnds(use: (backEnds: BackEnds) => void): void {
  let opened: BackEnds;

  before(async () => {
    opened = await openBackEnds();
    use(opened);
  });

  after(() => opened.dispose());
}

/** As `withBackEnds`, with the workspaces folded from the log. */
export function withWorkspaces(use: (backEnds: BackEnds, workspaces: Workspaces) => void): void {
  let opened: BackEnds;
  let folded: Workspaces;

  before(async () => {
    opened = await openBackEnds();
    folded = await Workspaces.open(opened.log, AUTO_CREATE);
    use(opened, folded);
  });

  after(async () => {
    await folded.close();
    await opened.dispose();
  });
}

export const AUTO_CREATE = { autoCreate: true, retention: {} };

/** Whoever may do everything. */
export const CONTEXT: Context = {
  caller: { superadmin: true },
  correlationId: 'c1',
  connectionId: 'k1',
};

/** Whoever may do nothing. */
export const STRANGER: Context = { ...CONTEXT, caller: { superadmin: false } };

/** A real object, but for some of its methods: the way to have one of its calls fail, or wait. */
export function withMethods<T extends object>(real: T, methods: Partial<T>): T {
  return new Proxy(real, {
    get: (target, name) => {
      const own: unknown = Reflect.get(methods, name);
      const value: unknown = own ?? Reflect.get(target, name, target);
      return typeof value === 'function' && own === undefined
        ? (value.bind(target) as unknown)
        : value;
    },
  });
}

/** A point that a call waits at until the test lets it go on. */
export class Gate {
  /** Resolves when somebody waits at it. */
  readonly reached: Promise<void>;
  readonly #opened: Promise<void>;
  #tellReached!: () => void;
  open!: () => void;

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#tellReached = resolve;
    });
    this.#opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  /** Waits until it is opened, at once if it has been. */
  pass(): Promise<void> {
    this.#tellReached();
    return this.#opened;
  }
}
