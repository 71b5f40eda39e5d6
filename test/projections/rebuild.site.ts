import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { HISTORY, recordStep } from '../../src/commands/histories.js';
import type { Workspace } from '../../src/commands/workspace.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { BEFORE_FIRST, nameOf, type Incarnation, type Position } from '../../src/event.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import { Projector } from '../../src/projections/project.js';
import { ALL_SHARES, type Shares } from '../../src/projections/shares.js';
import type { EventStore } from '../../src/projections/store.js';
import { numbered, numbersOf, positionsOf } from '../commands/sealed.js';
import { CONTEXT, Gate, withMethods, withWorkspaces, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';

const END = Number.MAX_SAFE_INTEGER as Position;

/** For tests in which the old history is to go at once, and for those in which it is to stay. */
const AT_ONCE_MS = 0;
export const NEVER_MS = 3_600_000;

/** A workspace of its own whose history a test has rebuilt, by projectors that it starts. */
export class Site {
  readonly backEnds: BackEnds;
  readonly workspaces: Workspaces;
  readonly deadLetters: DeadLetters;
  readonly workspace: Workspace;
  readonly #projectors: Projector[] = [];

  constructor(
    backEnds: BackEnds,
    workspaces: Workspaces,
    deadLetters: DeadLetters,
    workspace: Workspace,
  ) {
    this.backEnds = backEnds;
    this.workspaces = workspaces;
    this.deadLetters = deadLetters;
    this.workspace = workspace;
  }

  /** Starts a projector on the real store, but for some of its calls. */
  start(
    methods: Partial<EventStore> = {},
    replacedMs = AT_ONCE_MS,
    shares: Shares = ALL_SHARES,
  ): Projector {
    const { backEnds, workspaces, deadLetters } = this;
    const ends = { ...backEnds, store: withMethods(backEnds.store, methods), deadLetters };
    const projector = new Projector(ends, workspaces, shares, replacedMs);
    this.#projectors.push(projector);
    projector.start();
    return projector;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#projectors.splice(0).map((projector) => projector.stop()));
  }

  append(from: number, to: number): Promise<Position> {
    return this.backEnds.log.append(this.workspace.id, numbered(from, to));
  }

  /** Carries what there is into the history, but for what is to be missing there. */
  async historized(to: number, isMissing: (n: number) => boolean = () => false): Promise<void> {
    const { log, store } = this.backEnds;
    const { id, history } = this.workspace;
    await this.append(0, to);
    const { records } = await log.read(id, BEFORE_FIRST, Infinity);
    await store.write(
      history,
      records.filter(({ position }) => !isMissing(position)),
    );
    await store.advance(history, (to - 1) as Position);
  }

  async trim(upTo: number): Promise<void> {
    const { store } = this.backEnds;
    for await (const removed of store.trim(this.workspace.history, upTo as Position)) {
      assert.ok(removed > 0);
    }
  }

  generation(generation: number): Incarnation {
    return { ...this.workspace.history, generation };
  }

  /** Records a step, as any node may. */
  step(what: keyof typeof HISTORY, generation: number): Promise<void> {
    return recordStep(this.workspaces, HISTORY[what], this.generation(generation));
  }

  /** Has it rebuilt, by a projector that runs. */
  async rebuild(generation: number): Promise<void> {
    await this.step('rebuilding', generation);
    await this.searched(generation);
  }

  searched(generation: number): Promise<boolean> {
    const { workspace } = this;
    return until(
      `generation ${generation} is searched`,
      () => workspace.history.generation === generation,
    );
  }

  /** Resolves when nothing is left of the workspace, which was deleted. */
  purged(): Promise<boolean> {
    return until('it is purged', () =>
      this.workspaces.deleted().every(({ workspace }) => workspace !== this.workspace),
    );
  }

  /** Resolves when nothing is to be dropped any more. */
  dropped(): Promise<boolean> {
    const { histories } = this.workspace;
    return until('all is dropped', () => histories.obsolete.length === 0);
  }

  reached(position: number, of: Incarnation): Promise<boolean> {
    return until(`${nameOf(of)} is at ${position}`, async () => {
      return (await this.backEnds.store.checkpoint(of)) >= position;
    });
  }

  /** The numbers of the events in a history: of the one that is searched, if not of another. */
  async held(of: Incarnation = this.workspace.history): Promise<number[]> {
    return numbersOf(await this.backEnds.store.scan(of, BEFORE_FIRST, END, Infinity));
  }

  /** The positions that are written into a generation, as they are. */
  writtenInto(generation: number): { written: number[]; spying: Partial<EventStore> } {
    const written: number[] = [];
    const write: EventStore['write'] = (of, records) => {
      written.push(...(this.#is(of, generation) ? positionsOf(records) : []));
      return this.backEnds.store.write(of, records);
    };
    return { written, spying: { write } };
  }

  /** A store that waits before it writes into a generation. */
  holding(gate: Gate, generation = 1): Partial<EventStore> {
    return {
      write: async (of, records) => {
        await (this.#is(of, generation) ? gate.pass() : undefined);
        return this.backEnds.store.write(of, records);
      },
    };
  }

  #is(of: Incarnation, generation: number): boolean {
    return of.id === this.workspace.id && of.generation === generation;
  }
}

/** A site for each test of a suite. */
export function withSites(use: (site: Site) => void): void {
  let opened: [BackEnds, Workspaces];
  let deadLetters: DeadLetters;
  let site: Site;

  withWorkspaces((...each) => {
    opened = each;
  });

  before(async () => {
    const [{ log, store }, workspaces] = opened;
    deadLetters = await DeadLetters.open(log, store, workspaces);
  });

  beforeEach(async () => {
    const [backEnds, workspaces] = opened;
    const workspace = await workspaces.put(`w-${randomUUID()}`, {}, CONTEXT);
    site = new Site(backEnds, workspaces, deadLetters, workspace);
    use(site);
  });

  afterEach(() => site.stop());
}
