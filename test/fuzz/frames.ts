import { once } from 'node:events';
import type { Socket } from 'node:net';
import { frame, handshake, PING } from '../support/frame.js';
import { open } from '../support/raw.js';
import { Mutator } from './mutate.js';

/** Sent to one connection at most, so that there are many of them. */
const FRAMES_OF_CONNECTION = 500;
/** Sent before the answers are waited for. */
const FRAMES_AT_ONCE = 50;
const PONG_ALL = Buffer.from([0x80 | 10, 3, ...Buffer.from('all')]).toString('latin1');
const TAIL_LENGTH = 64;
/** A frame that claims to be longer than it is swallows the ping behind it. */
const SWALLOWED_MS = 1_000;

export interface Fuzzed {
  readonly frames: number;
  readonly connections: number;
}

/**
 * Sends frames that hardly any client would to a workspace of a node: after some of them it waits
 * until all are answered, or the node has closed the connection.
 *
 * @param told Called with the number of frames sent so far, each time some have been answered.
 * @throws Error when an answer tells of an unexpected error.
 */
export async function fuzzFrames(
  url: string,
  frames: number,
  next: () => number,
  told: (sent: number) => Promise<void> | void = () => undefined,
): Promise<Fuzzed> {
  const mutator = new Mutator(next);
  let sent = 0;
  let connections = 0;
  while (sent < frames) {
    connections++;
    const socket = open(url).setNoDelay(true);
    const closed = once(socket, 'close');
    const answers = new Answers(socket);
    socket.write(handshake('/v2/workspaces/fuzz/events', { Connection: 'Upgrade' }));
    for (let own = 0; own < FRAMES_OF_CONNECTION && !socket.destroyed; own += FRAMES_AT_ONCE) {
      const batch = Array.from({ length: FRAMES_AT_ONCE }, () => mutator.frame());
      sent += batch.length;
      socket.write(Buffer.concat([...batch, frame(PING, 'all')]));
      await Promise.race([answers.pong(), closed]);
      answers.assertExpected();
      await told(sent);
    }
    socket.destroy();
    await closed;
  }
  return { frames: sent, connections };
}

/** What a node says on one connection, as far as that matters here. */
class Answers {
  /** The end of what was said: what is looked for may come in two parts. */
  #tail = '';
  #failure = '';
  #ponged: () => void = () => undefined;

  constructor(socket: Socket) {
    socket.on('data', (part) => {
      const said = this.#tail + part.toString('latin1');
      this.#tail = said.slice(-TAIL_LENGTH);
      if (said.includes('internal-error')) {
        this.#failure = said.slice(0, 2_000);
      }
      if (said.includes(PONG_ALL)) {
        this.#tail = '';
        this.#ponged();
      }
    });
    socket.on('end', () => {
      socket.destroy();
    });
  }

  /** Resolves when all before the last ping was read, or was taken for a part of something else. */
  pong(): Promise<unknown> {
    const ponged = new Promise<void>((resolve) => {
      this.#ponged = resolve;
    });
    return Promise.race([ponged, once(AbortSignal.timeout(SWALLOWED_MS), 'abort')]);
  }

  assertExpected(): void {
    if (this.#failure !== '') {
      throw new Error(`an unexpected error: ${this.#failure}`);
    }
  }
}
