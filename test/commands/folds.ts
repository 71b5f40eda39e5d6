import { randomUUID } from 'node:crypto';
import type { EventLog } from '../../src/commands/log.js';
import type { Workspace } from '../../src/commands/workspace.js';
import { Workspaces, type WorkspacesOptions } from '../../src/commands/workspaces.js';
import { eventOf } from '../../src/event.js';
import { AUTO_CREATE, withBackEnds } from '../support/backends.js';
import { readAll } from './sealed.js';

/** Nodes on one log that fold the workspaces, each for itself. */
export interface Folds {
  readonly log: EventLog;
  /** One of them. */
  readonly workspaces: Workspaces;
  /** Of a workspace that no other test has. */
  readonly id: string;
  /** Another one. */
  readonly open: (on?: EventLog, options?: Partial<WorkspacesOptions>) => Promise<Workspaces>;
  /** What the system workspace tells of that workspace. */
  readonly told: () => Promise<string[]>;
}

/** Folds for each test of a suite, which are closed after it. */
export function withFolds(use: (folds: Folds) => void): void {
  let log: EventLog;
  let opened: Workspaces[];

  withBackEnds((backEnds) => {
    ({ log } = backEnds);
  });

  beforeEach(async () => {
    const id = `w-${randomUUID()}`;
    opened = [];
    const open: Folds['open'] = async (on = log, options = {}) => {
      const own = await Workspaces.open(on, { ...AUTO_CREATE, ...options });
      opened.push(own);
      return own;
    };
    const told = async (): Promise<string[]> =>
      (await readAll(log, '_system'))
        .flatMap((record) => eventOf(record) ?? [])
        .filter(({ payload }) => payload.workspace === id)
        .map(({ type }) => type);
    use({ log, workspaces: await open(), id, open, told });
  });

  afterEach(() => Promise.all(opened.map((each) => each.close())));
}

export function shown({ epoch, createdAt, config }: Workspace): unknown {
  return { epoch, createdAt, config };
}

export const MISSING = { code: 'workspace-not-found' };
