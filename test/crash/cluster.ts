import { clusterSettings } from '../stack/service.js';
import { Tailer } from '../support/tailer.js';
import { until } from '../until.js';
import { CrashingNode } from './node.js';
import { Producer, WAYS, WORKSPACE, type Load, type Target } from './producer.js';

const TRANSPORTS = ['ws', 'sse', 'poll'] as const;
const NODES = 2;

/**
 * What three servers, two nodes and this process do easily on two processors, so that a test is no
 * matter of a backlog. And a node that was started again remembers no more than the last 10,000
 * events, among which must be those that a producer sends again.
 */
const LOAD: Load = { eventsMax: { batch: 20, lines: 75, socket: 40 }, eventsPerSecond: 30 };

/** Longer than all tests. */
const TAIL_MS_MAX = 3_600_000;

/** Two nodes on the real servers, with producers of all ways and subscribers of all transports. */
export class Cluster implements Target {
  readonly settings: Record<string, string>;
  readonly nodes: readonly CrashingNode[];
  readonly producers: readonly Producer[];
  readonly tailers: readonly Tailer[];
  /** Whether the producers do not rest: a kill is to meet all of them at work. */
  hurries = false;
  readonly #draw: () => number;
  readonly #targets: readonly Target[];
  #producing: Promise<unknown> = Promise.resolve();
  #tailing: Promise<unknown> = Promise.resolve();
  #produces = true;
  #tails = true;

  private constructor(
    settings: Record<string, string>,
    nodes: readonly CrashingNode[],
    draw: () => number,
  ) {
    this.settings = settings;
    this.nodes = nodes;
    this.#draw = draw;
    const load = { ...LOAD, hurries: () => this.hurries };
    // Who retries does so at its own node: another one does not know what it was answered there.
    const work = WAYS.flatMap((way) => [
      ...nodes.map((node, index) => ({
        producer: new Producer(way, true, load, draw, `-${index}`),
        target: node,
      })),
      { producer: new Producer(way, false, load, draw), target: this },
    ]);
    this.producers = work.map(({ producer }) => producer);
    this.#targets = work.map(({ target }) => target);
    this.tailers = TRANSPORTS.map(
      (transport) =>
        new Tailer(() => this.url, { transport, workspace: WORKSPACE, filter: {}, from: 'start' }),
    );
  }

  /** Starts the nodes, and has the subscribers come, and come back whenever they are cut off. */
  static async start(draw: () => number, own: Record<string, string> = {}): Promise<Cluster> {
    const settings = { ...clusterSettings(), ...own };
    const nodes = await Promise.all(
      Array.from({ length: NODES }, () => CrashingNode.create(settings)),
    );
    await Promise.all(nodes.map((node) => node.start()));
    const cluster = new Cluster(settings, nodes, draw);
    cluster.#tailing = until('nobody tails', () => cluster.#comeBack(), TAIL_MS_MAX);
    return cluster;
  }

  /** The address of any node that is up. */
  get url(): string {
    const up = this.nodes.filter(({ isUp }) => isUp);
    return up[Math.floor(this.#draw() * up.length)]!.url;
  }

  up(): Promise<string> {
    return Promise.resolve(this.url);
  }

  /** Has the producers work. */
  produce(): void {
    const stopped = (): boolean => !this.#produces;
    this.#producing = Promise.all(
      this.producers.map((producer, index) => producer.run(this.#targets[index]!, stopped)),
    );
    // A fault is told when they are stopped.
    this.#producing.catch(() => undefined);
  }

  /** Resolves when the producers have ended, each with an answer where it wants one. */
  async stopProducing(): Promise<void> {
    this.#produces = false;
    await this.#producing;
  }

  async dispose(): Promise<void> {
    this.#tails = false;
    await this.#tailing;
    for (const tailer of this.tailers) {
      tailer.drop();
    }
    await Promise.all(this.nodes.map((node) => node.dispose()));
  }

  #comeBack(): boolean {
    for (const tailer of this.tailers.filter(({ connected }) => !connected)) {
      tailer.connect();
    }
    return !this.#tails;
  }
}
