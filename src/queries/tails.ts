import type { ServiceError } from '../errors.js';
import type { Position } from '../event.js';
import { metrics } from '../metrics.js';
import { Ring } from './ring.js';
import { Tail, type Sources, type TailConfig } from './tail.js';

/** How long a tail without subscribers goes on: they come back, and long polls come and go. */
const LINGER_MS = 30_000;

interface Entry {
  readonly starting: Promise<Tail>;
  tail?: Tail;
  users: number;
  lingering?: NodeJS.Timeout;
}

/** The tails of a node: one for each workspace that somebody subscribes to. */
export class Tails {
  readonly #sources: Sources;
  readonly #config: TailConfig;
  readonly #byWorkspace = new Map<string, Entry>();

  constructor(sources: Sources, config: TailConfig) {
    this.#sources = sources;
    this.#config = config;
  }

  /** The tail of a workspace, started if need be; to be given back by `release`. */
  async acquire(workspace: string): Promise<Tail> {
    let entry = this.#byWorkspace.get(workspace);
    if (!entry) {
      entry = { starting: this.#start(workspace), users: 0 };
      this.#byWorkspace.set(workspace, entry);
      metrics.tails.inc();
    }
    entry.users++;
    clearTimeout(entry.lingering);
    try {
      entry.tail = await entry.starting;
      return entry.tail;
    } catch (error) {
      this.#forget(workspace, entry);
      throw error;
    }
  }

  release(tail: Tail): void {
    const entry = this.#byWorkspace.get(tail.workspace);
    if (entry?.tail === tail && --entry.users === 0) {
      entry.lingering = setTimeout(() => {
        this.#forget(tail.workspace, entry);
      }, LINGER_MS).unref();
    }
  }

  /** Ends the tail of a workspace, if there is one of that epoch, for all its users. */
  end(workspace: string, epoch: string, error: ServiceError): void {
    const tail = this.#byWorkspace.get(workspace)?.tail;
    if (tail?.epoch === epoch) {
      tail.end(error);
    }
  }

  running(): Tail[] {
    return [...this.#byWorkspace.values()].flatMap(({ tail }) => tail ?? []);
  }

  close(): void {
    for (const [workspace, entry] of this.#byWorkspace) {
      this.#forget(workspace, entry);
    }
  }

  async #start(workspace: string): Promise<Tail> {
    const bounds = await this.#sources.log.bounds(workspace);
    const ring = new Ring(() => this.#config.ringBytesMax / this.#byWorkspace.size);
    const tail = new Tail(workspace, bounds, this.#sources, this.#config, ring);
    tail.onFailed(() => {
      const entry = this.#byWorkspace.get(workspace);
      if (entry?.tail === tail) {
        this.#forget(workspace, entry);
      }
    });
    tail.start();
    // Its first subscriber would take the place where it begins for the head of the log.
    await tail.reach((bounds.next - 1) as Position);
    return tail;
  }

  #forget(workspace: string, entry: Entry): void {
    entry.tail?.stop();
    if (this.#byWorkspace.get(workspace) === entry) {
      this.#byWorkspace.delete(workspace);
      metrics.tails.dec();
    }
  }
}
