import { randomInt } from 'node:crypto';
import { IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import type { Context } from '../commands/context.js';
import { ServiceError } from '../errors.js';
import { logger } from '../logger.js';
import { metrics } from '../metrics.js';
import { ANONYMOUS } from '../policy.js';
import type { Service } from '../service.js';
import type { Authenticator } from './authenticate.js';
import { assertTarget, identify, unidentified } from './identify.js';
import { checkParameters } from './openapi.js';
import { endWith } from './respond.js';
import { assertMayConnect, enter } from './session.js';
import { Connection } from './ws.js';

const SUBPROTOCOL = 'workspace-events.v1';
/** The absolute form of a request target (RFC 9112, 3.2.2) names the same as the usual one. */
const EVENTS_TARGET = /^(?:https?:\/\/[^/?]*)?\/v2\/workspaces\/([^/?]+)\/events(?:\?|$)/;

/** How fast a draining node sends its clients away: the other nodes have to take them up. */
const DRAINED_PER_SECOND = 200;

/**
 * Clients that would rather speak HTTP/2, as Java’s does, offer `Upgrade: h2c` with a request that
 * is to be answered where the offer is not taken (RFC 9110, 7.8). Node leaves every request with an
 * offer to who listens for upgrades, unless the request itself says that it is none.
 */
export class OfferingRequest extends IncomingMessage {
  /** What the parser found; it says so while the request is being made. */
  declare isOffering: boolean | null;

  get upgrade(): boolean {
    const isWebSocket = this.headers.upgrade?.toLowerCase() === 'websocket';
    return this.isOffering === true && isWebSocket && this.method === 'GET';
  }

  set upgrade(isOffering: boolean | null) {
    this.isOffering = isOffering;
  }
}

/** The open WebSockets of a node. */
export class Upgrades {
  readonly #service: Service;
  readonly #callers: Authenticator;
  readonly #connections = new Set<Connection>();
  /** Those who had not said who they are when they came, in the order in which they did. */
  readonly #unknown = new Set<Connection>();
  readonly #sockets: WebSocketServer;

  constructor(server: Server, service: Service, callers: Authenticator) {
    this.#service = service;
    this.#callers = callers;
    service.workspaces.onConfigured(({ id }) => {
      this.#each((connection) => {
        connection.recheck(id);
      });
    });
    service.keyring.onRevoked((key) => {
      this.#each((connection) => {
        connection.revoked(key);
      });
    });
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: service.config.bodyBytesMax,
      // Compression is by socket, so it would cost the frames that all sockets share.
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    this.#sockets.on('wsClientError', ({ message }, socket, request) => {
      const remedy = 'See RFC 6455, 4.1; Sec-WebSocket-Version is 13';
      const error = new ServiceError('invalid-request', `${message}. ${remedy}.`);
      endWith(socket, error, unidentified(request).correlationId);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#upgrade(request, socket, head);
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
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    let context = unidentified(request);
    socket.on('error', () => {
      socket.destroy();
    });
    try {
      context = await identify(request, context, this.#callers);
      const workspace = await this.#admit(request, socket, context);
      this.#sockets.handleUpgrade(request, socket, head, (ws) => {
        const { correlationId, caller } = context;
        logger.info({ correlationId, userId: caller.userId, workspaceId: workspace }, 'websocket');
        const of = { workspace, context };
        const connection = new Connection(this.#service, this.#callers, of, ws, socket);
        this.#connections.add(connection);
        this.#boundUnknown(connection);
        void connection.closed.then(() => {
          this.#connections.delete(connection);
          this.#unknown.delete(connection);
        });
      });
    } catch (error) {
      const told = this.#service.reporter.toldAs(error, context);
      endWith(socket, told, context.correlationId);
    }
  }

  /**
   * Lets a caller in who may come, to the workspace that is asked for. A browser’s page must come
   * from an allowed origin.
   */
  async #admit(request: IncomingMessage, socket: Duplex, { caller }: Context): Promise<string> {
    const { corsOrigins, roles } = this.#service.config;
    assertTarget(request.url ?? '');
    const workspace = EVENTS_TARGET.exec(request.url ?? '')?.[1];
    if (workspace === undefined || !roles.includes('api')) {
      throw new ServiceError('not-found', 'WebSockets are at /v2/workspaces/{workspace}/events.');
    }
    const { origin } = request.headers;
    if (origin !== undefined && !isAllowed(origin, corsOrigins)) {
      throw new ServiceError('forbidden', `Pages of ${origin} may not connect; see CORS_ORIGINS.`);
    }
    checkParameters('readEvents', { params: { workspace }, query: {}, headers: {} });
    // Pages cannot set headers: who has not said who they are may do so in a first frame.
    if (caller !== ANONYMOUS) {
      await assertMayConnect(caller, workspace, this.#service);
      const leave = enter(caller, workspace, this.#service);
      if (socket.destroyed) {
        leave();
      } else {
        socket.once('close', leave);
      }
    }
    return workspace;
  }

  /** Of those who do not say who they are, the one who has not for the longest goes first. */
  #boundUnknown(connection: Connection): void {
    if (!connection.isKnown) {
      this.#unknown.add(connection);
    }
    for (const oldest of this.#unknown) {
      if (this.#unknown.size <= this.#service.config.waitingSocketsMax) {
        break;
      }
      // It may have said so since.
      this.#unknown.delete(oldest);
      if (!oldest.isKnown) {
        metrics.socketsDropped.inc({ because: 'unknown' });
        oldest.terminate();
      }
    }
  }

  #each(tell: (connection: Connection) => void): void {
    for (const connection of [...this.#connections]) {
      tell(connection);
    }
  }
}

/** Whether the pages of an origin may call the service. */
export function isAllowed(origin: string, allowed: readonly string[]): boolean {
  return allowed.includes('*') || allowed.includes(origin);
}
