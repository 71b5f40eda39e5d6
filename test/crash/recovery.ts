import assert, { AssertionError } from 'node:assert/strict';
import { emit, eventsUrl, request } from '../support/client.js';
import { positionOf } from '../support/tailer.js';
import { until } from '../until.js';
import type { Cluster } from './cluster.js';
import { WORKSPACE, type Target } from './producer.js';

const RECOVERY_MS_MAX = 120_000;

const PROBE = { type: 'crash.probed', payload: {} };

const STEPS = ['start', 'emit', 'delivery', 'history'] as const;
type Step = (typeof STEPS)[number];

/** How long it took, after each restart, until it worked again. */
export class Recovery {
  readonly #ms: Readonly<Record<Step, number[]>> = {
    start: [],
    emit: [],
    delivery: [],
    history: [],
  };

  /**
   * Measures from now on, until all works or the signal aborts: when an emit is acknowledged, when
   * every subscriber has that event, and when a search would find it.
   *
   * @param starting Resolves when what is started answers by itself.
   * @param target Where to emit and to search.
   */
  async measure(
    { tailers }: Cluster,
    starting: Promise<void>,
    target: Target,
    signal: AbortSignal,
  ): Promise<void> {
    const began = performance.now();
    const started = (): void => {
      this.#ms.start.push(performance.now() - began);
    };
    // Who has it started is told of its failure.
    starting.then(started, () => undefined);
    const take = async (step: Step, holds: () => Promise<boolean>): Promise<void> => {
      const isOver = async (): Promise<boolean> => signal.aborted || orNotYet(holds);
      await until(`${step} works again`, isOver, RECOVERY_MS_MAX);
      if (!signal.aborted) {
        this.#ms[step].push(performance.now() - began);
      }
    };
    let cursor = '';
    await take('emit', async () => {
      const { status, body } = await emit(await target.up(), WORKSPACE, [PROBE]);
      assert.ok(status === 201 || status === 503, JSON.stringify(body));
      cursor = status === 201 ? (body.results[0].position as string) : '';
      return status === 201;
    });
    await take('delivery', async () =>
      tailers.every(({ position }) => position >= positionOf(cursor)),
    );
    await take('history', async () => {
      const query = { waitFor: cursor, wait: '1', limit: '1' };
      return (await request(eventsUrl(await target.up(), WORKSPACE, query))).status === 200;
    });
  }

  /** The median and the worst of each, in seconds. */
  summary(): string {
    const steps = STEPS.map((step) => {
      const ms = this.#ms[step].toSorted((a, b) => a - b);
      const [median, worst] = [ms[Math.floor(ms.length / 2)], ms.at(-1)].map(seconds);
      return `${step} after ${median}, at worst ${worst} (${ms.length} seen)`;
    });
    return steps.join('; ');
  }
}

/** What is being killed answers nothing. */
async function orNotYet(holds: () => Promise<boolean>): Promise<boolean> {
  try {
    return await holds();
  } catch (error) {
    if (error instanceof AssertionError) {
      throw error;
    }
    return false;
  }
}

function seconds(ms = 0): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
