import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EventLog } from '../../src/commands/log.js';
import type { Json, Position } from '../../src/event.js';
import { parseFilter } from '../../src/queries/filter.js';
import { Ring } from '../../src/queries/ring.js';
import { Subscription, type SubscriptionOptions } from '../../src/queries/subscription.js';
import { Tail } from '../../src/queries/tail.js';
import { numbered } from '../commands/sealed.js';
import { withBackEnds, withMethods, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';
import { Reader } from './reader.js';

/** Longer than any test. */
export const NEVER_MS = 3_600_000;

/** Without a ring and with small reads, so that delivering what there is takes many turns. */
const CONFIG = { ringBytesMax: 0, readBytes: 1000, positionSeconds: 3600 };

/** A workspace of its own, its tail at the head, and a reader for one subscription at a time. */
export class Stage {
  readonly workspace: string;
  readonly tail: Tail;
  reader = new Reader();
  /** How many subscriptions have given the tail back. */
  released = 0;
  readonly #log: EventLog;

  private constructor(workspace: string, tail: Tail, log: EventLog) {
    this.workspace = workspace;
    this.tail = tail;
    this.#log = log;
  }

  /** @param methods Of the log, in place of its own. */
  static async open(
    { log: real, store, historyOf }: BackEnds,
    methods: Partial<EventLog> = {},
  ): Promise<Stage> {
    const workspace = `w-${randomUUID()}`;
    const bounds = await real.create(workspace, {});
    const log = withMethods<EventLog>(real, methods);
    const ring = new Ring(() => CONFIG.ringBytesMax);
    const tail = new Tail(workspace, bounds, { log, store, historyOf }, CONFIG, ring);
    tail.start();
    return new Stage(workspace, tail, real);
  }

  close(): void {
    this.tail.stop();
  }

  /** Appends the events of some numbers, and waits until the tail has them. */
  async append(from: number, to: number): Promise<void> {
    await this.#log.append(this.workspace, numbered(from, to));
    await this.tail.reach((to - 1) as Position);
  }

  subscribe(
    position: number,
    options: { filter?: Json } & Partial<Omit<SubscriptionOptions, 'filter'>> = {},
    positionMs = NEVER_MS,
  ): Subscription {
    const filter = parseFilter(options.filter ?? {});
    const all = { start: { position: position as Position }, ...options, filter };
    return new Subscription(this.tail, all, this.reader, positionMs, () => {
      this.released++;
    });
  }

  /** Resolves when a subscription is served live. */
  live(): Promise<boolean> {
    return until('it is live', () => this.tail.fanout.size === 1);
  }

  received(count: number): Promise<boolean> {
    return until(`${count} events are there`, () => this.reader.positions.length >= count);
  }

  /** Closes a subscription, and holds it to what it may still do: end, and nothing else. */
  async closes(subscription: Subscription, running: Promise<void>): Promise<void> {
    const { length } = this.reader.told;
    subscription.close();
    subscription.close();
    await running;
    assert.equal(this.reader.told.length, length);
    assert.equal(this.released, 1);
    assert.equal(this.tail.fanout.size, 0);
  }
}

/**
 * A stage for each test of a suite.
 *
 * @returns How a test gets one on a log with methods of its own instead.
 */
export function withStages(
  use: (stage: Stage, backEnds: BackEnds) => void,
): (methods: Partial<EventLog>) => Promise<void> {
  let backEnds: BackEnds;
  let stage: Stage;
  const stageOn = async (methods: Partial<EventLog> = {}): Promise<void> => {
    stage = await Stage.open(backEnds, methods);
    use(stage, backEnds);
  };

  withBackEnds((opened) => {
    backEnds = opened;
  });

  beforeEach(() => stageOn());

  afterEach(() => {
    stage.close();
  });

  return (methods) => {
    stage.close();
    return stageOn(methods);
  };
}
