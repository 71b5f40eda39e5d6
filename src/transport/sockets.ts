import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from '../config.js';
import { metrics } from '../metrics.js';

/**
 * Bounds the sockets of a server. Anybody who reaches the port can open some and send nothing, or
 * next to nothing: of those on which a request is awaited, the one that waits the longest makes
 * room for a new one, so that who holds many of them locks nobody out.
 */
export function boundSockets(
  server: Server,
  { socketsMax, waitingSocketsMax }: Pick<Config, 'socketsMax' | 'waitingSocketsMax'>,
): void {
  server.maxConnections = socketsMax;
  server.on('drop', () => {
    metrics.socketsDropped.inc({ because: 'all' });
  });
  const waiting = new Set<Socket>();
  const answering = new WeakMap<Socket, number>();
  const wait = (socket: Socket): void => {
    waiting.add(socket);
    if (waiting.size > waitingSocketsMax) {
      const [oldest] = waiting;
      metrics.socketsDropped.inc({ because: 'idle' });
      oldest!.destroy();
    }
  };
  server.on('connection', (socket) => {
    wait(socket);
    socket.once('close', () => {
      waiting.delete(socket);
    });
  });
  const serve = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    waiting.delete(socket);
    // Of a client that does not wait for one answer before it asks for the next, several.
    const others = answering.get(socket) ?? 0;
    answering.set(socket, others + 1);
    response.once('close', () => {
      const left = answering.get(socket)! - 1;
      answering.set(socket, left);
      if (left === 0 && !socket.destroyed) {
        wait(socket);
      }
    });
  };
  server.on('request', serve);
  server.on('checkExpectation', serve);
  server.on('upgrade', ({ socket }) => {
    waiting.delete(socket);
  });
}
