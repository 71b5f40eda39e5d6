import { spawnNode, temporaryFolder, type NodeProcess } from '../support/node.js';
import { until } from '../until.js';

/** A node process that is killed and started again, with the same settings on the same data. */
export class CrashingNode {
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly #settings: Record<string, string>;
  #process: NodeProcess | undefined;

  private constructor(
    folder: Awaited<ReturnType<typeof temporaryFolder>>,
    settings: Record<string, string>,
  ) {
    this.#folder = folder;
    this.#settings = settings;
  }

  static async create(settings: Record<string, string> = {}): Promise<CrashingNode> {
    return new CrashingNode(await temporaryFolder(), settings);
  }

  /** Where its data is. */
  get path(): string {
    return this.#folder.path;
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** @throws Error while it is down. */
  get url(): string {
    if (!this.#process) {
      throw new Error('the node is down');
    }
    return this.#process.url;
  }

  async start(): Promise<void> {
    this.#process = await spawnNode({ ...this.#settings, DATA_DIR: this.path });
  }

  /** Resolves when it is up. */
  async up(): Promise<string> {
    await until('the node is up', () => this.isUp, 30_000);
    return this.url;
  }

  /** Ends it at once: what it has not handed to the system is gone. */
  async kill(): Promise<void> {
    const ending = this.#process;
    this.#process = undefined;
    await ending?.end('SIGKILL');
  }

  async dispose(): Promise<void> {
    await this.kill();
    await this.#folder.remove();
  }
}
