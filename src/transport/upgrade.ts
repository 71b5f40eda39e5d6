import { randomInt } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import type { Context } from '../commands/context.js';
import { CATALOGUE, ServiceError } from '../errors.js';
import { logger } from '../logger.js';
import { EVERYTHING } from '../queries/filter.js';
import { scoped } from '../queries/scope.js';
import type { Service } from '../service.js';
import { identify, NOBODY } from './identify.js';
import { checkParameters } from './openapi.js';
import { problem } from './respond.js';
import { Connection } from './ws.js';

const SUBPROTOCOL = 'workspace-events.v1';
const EVENTS_PATH = /^\/v2\/workspaces\/([^/]+)\/events$/;

/** How fast a draining node sends its clients away: the other nodes have to take them up. */
const DRAINED_PER_SECOND = 200;

/** The open WebSockets of a node. */
export class Upgrades {
  readonly #service: Service;
  readonly #connections = new Set<Connection>();
  readonly #sockets: WebSocketServer;

  constructor(server: Server, service: Service) {
    this.#service = service;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: service.config.bodyBytesMax,
      // Compression is by socket, so it would cost the frames that all sockets share.
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
  }

  /**
   * Sends the clients away a few at a time, in no order, so that they do not all come back at once.
   */
  async drain(secondsMax: number): Promise<void> {
    const spreadMs = Math.min(secondsMax, this.#connections.size / DRAINED_PER_SECOND) * 1000;
    const away = [...this.#connections].map(async (connection) => {
      await delay(randomInt(Math.ceil(spreadMs) + 1));
      connection.drain();
      await connection.closed;
    });
    const late = delay(secondsMax * 1000, undefined, { ref: false });
    await Promise.race([Promise.all(away), late]);
    for (const connection of this.#connections) {
      connection.terminate();
    }
  }

  /** Whoever is refused gets the problem that plain HTTP would get. */
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    let context = NOBODY;
    socket.on('error', () => {
      socket.destroy();
    });
    try {
      context = identify(request);
      const workspace = this.#workspaceOf(request, context);
      this.#sockets.handleUpgrade(request, socket, head, (ws) => {
        const { correlationId, caller } = context;
        logger.info({ correlationId, userId: caller.userId, workspaceId: workspace }, 'websocket');
        const connection = new Connection(this.#service, workspace, context, ws, socket);
        this.#connections.add(connection);
        void connection.closed.then(() => this.#connections.delete(connection));
      });
    } catch (error) {
      this.#refuse(socket, error, context);
    }
  }

  /** The workspace that is asked for. A browser’s page must come from an allowed origin. */
  #workspaceOf(request: IncomingMessage, { caller }: Context): string {
    const { corsOrigins, autoCreateWorkspaces } = this.#service.config;
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const workspace = EVENTS_PATH.exec(pathname)?.[1];
    if (workspace === undefined) {
      throw new ServiceError('not-found', 'WebSockets are at /v2/workspaces/{workspace}/events.');
    }
    const { origin } = request.headers;
    if (origin !== undefined && !isAllowed(origin, corsOrigins)) {
      throw new ServiceError('forbidden', `Pages of ${origin} may not connect; see CORS_ORIGINS.`);
    }
    checkParameters('readEvents', { params: { workspace }, query: {}, headers: {} });
    scoped(caller, workspace, EVERYTHING);
    if (!autoCreateWorkspaces) {
      this.#service.workspaces.require(workspace);
    }
    return workspace;
  }

  #refuse(socket: Duplex, thrown: unknown, context: Context): void {
    const error = this.#service.reporter.toldAs(thrown, context);
    const { status } = CATALOGUE[error.code];
    const body = JSON.stringify(problem(error, context.correlationId));
    socket.end(
      `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n` +
        'Content-Type: application/problem+json\r\nConnection: close\r\n' +
        `Content-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`,
    );
  }
}

/** Whether the pages of an origin may call the service. */
export function isAllowed(origin: string, allowed: readonly string[]): boolean {
  return allowed.includes('*') || allowed.includes(origin);
}
