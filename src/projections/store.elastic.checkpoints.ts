import { Bounded } from '../bounded.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, nameOf, type Incarnation, type Position } from '../event.js';
import { settle } from './store.elastic.bulk.js';
import type { Cluster } from './store.elastic.client.js';
import type { Indices } from './store.elastic.indices.js';

/** What was asked for, and when. */
interface Told {
  readonly at: number;
  readonly position: Promise<Position>;
}

/** Of so many incarnations a node remembers what it was told last: 2 MB. */
const rememberedMax = 10_000;

/** A document is given by its id at once, and whoever searches waits for it. */
const positionMsMax = 10_000;

interface Round {
  readonly moves: Map<string, Position>;
  readonly done: Promise<void>;
}

/**
 * Moves checkpoints in rounds: all that are asked for while one round goes on share the next, which
 * is one refresh and one bulk for all of them. A refresh for each would make a segment for each.
 */
export class Checkpoints {
  readonly #cluster: Cluster;
  readonly #indices: Indices;
  /** Written to, by this node, since they were last refreshed. */
  #stale = new Set<string>();
  readonly #told = new Bounded<string, Told>(rememberedMax);
  #gathering: Round | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(cluster: Cluster, indices: Indices) {
    this.#cluster = cluster;
    this.#indices = indices;
  }

  /**
   * There are events in an index that the next checkpoint may vouch for. Also those that were there
   * already: the node that wrote them may have died before it refreshed.
   */
  wrote(index: string): void {
    this.#stale.add(index);
  }

  /** Who asks while another one does may be told the same. */
  get(of: Incarnation, ageMsMax: number): Promise<Position> {
    const name = nameOf(of);
    const now = performance.now();
    const told = this.#told.get(name);
    if (told && told.at >= now - ageMsMax && ageMsMax > 0) {
      return told.position;
    }
    const position = this.#position(this.#indices.checkpoints, name);
    this.#told.set(name, { at: now, position });
    position.catch(() => {
      this.#told.delete(name);
    });
    return position;
  }

  /** Up to where the events of an incarnation were trimmed. */
  trimmed(of: Incarnation): Promise<Position> {
    return this.#position(this.#indices.workspaces, trimmedId(of));
  }

  /** Tells that events are trimmed up to a position, and never less than that. */
  trim(of: Incarnation, upTo: Position): Promise<void> {
    return this.#move(this.#indices.workspaces, new Map([[trimmedId(of), upTo]]));
  }

  async drop(of: Incarnation): Promise<void> {
    this.#told.delete(nameOf(of));
    const { checkpoints, workspaces } = this.#indices;
    await this.#cluster.delete(checkpoints, nameOf(of));
    await this.#cluster.delete(workspaces, trimmedId(of));
  }

  async #position(index: string, id: string): Promise<Position> {
    const { _source } = await this.#cluster.request<{ _source?: { position: Position } }>({
      method: 'GET',
      path: [index, '_doc', id],
      expect: [404],
      msMax: positionMsMax,
    });
    return _source?.position ?? BEFORE_FIRST;
  }

  advance(of: Incarnation, position: Position): Promise<void> {
    this.#gathering ??= this.#nextRound();
    const { moves, done } = this.#gathering;
    moves.set(nameOf(of), Math.max(position, moves.get(nameOf(of)) ?? BEFORE_FIRST) as Position);
    return done;
  }

  #nextRound(): Round {
    const moves = new Map<string, Position>();
    const done = this.#last.then(async () => {
      this.#gathering = undefined;
      await this.#refresh();
      await this.#move(this.#indices.checkpoints, moves);
    });
    this.#last = done.catch(() => undefined);
    return { moves, done };
  }

  async #refresh(): Promise<void> {
    const stale = this.#stale;
    this.#stale = new Set();
    try {
      await Promise.all([...stale].map((index) => this.#cluster.refresh(index)));
    } catch (error) {
      stale.forEach((index) => this.#stale.add(index));
      throw error;
    }
  }

  /** The position is the version, so that no node, however late it comes, moves one back. */
  async #move(index: string, moves: ReadonlyMap<string, Position>): Promise<void> {
    await this.#indices.make(index);
    const operations = [...moves].map(([name, position]) => {
      const action = {
        index: {
          _index: index,
          _id: name,
          version: position + 1,
          version_type: 'external_gte',
        },
      };
      return `${JSON.stringify(action)}\n${JSON.stringify({ position })}\n`;
    });
    const answers = await settle(this.#cluster, operations, { require_alias: 'true' });
    const failed = answers.find(({ status }) => status >= 300 && status !== 409);
    if (failed) {
      this.#indices.forget(index);
      throw new ServiceError('unavailable', `No position was moved: ${failed.reason}`);
    }
  }
}

/** No name of an incarnation has a number sign. */
function trimmedId(of: Incarnation): string {
  return `${nameOf(of)}#trimmed`;
}
