import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { CATALOGUE } from '../errors.js';
import { CLOSE_MS_MAX } from './respond.js';

/** As large as the headers that could have said who is calling. */
const FIRST_FRAME_BYTES_MAX = 16 * 1024;

/**
 * Bounds the first frame of a WebSocket whose client has not said who it is. `ws` would gather as
 * much of it as of any other frame, for anybody who can reach the port.
 */
export function boundFirstFrame(ws: WebSocket, socket: Duplex): void {
  let size = 0;
  const count = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > FIRST_FRAME_BYTES_MAX) {
      stop();
      const most = `${String(FIRST_FRAME_BYTES_MAX)} bytes`;
      ws.close(CATALOGUE['too-large'].closeCode, `A first frame has at most ${most}: a token.`);
      // What is still to come is not read, not even the answer to the closing.
      ws.pause();
      socket.end();
      setTimeout(() => {
        ws.terminate();
      }, CLOSE_MS_MAX);
    }
  };
  // `ws` was there first: by the time a chunk is counted, the frame that it ends has been read.
  const stop = (): void => {
    size = -Infinity;
    socket.off('data', count);
  };
  socket.on('data', count);
  ws.once('message', stop);
}
