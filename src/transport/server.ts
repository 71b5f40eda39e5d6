import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import cors from '@koa/cors';
import type { HelmetOptions } from 'helmet';
import Koa, { type Context as KoaContext } from 'koa';
import helmet from 'koa-helmet';
import { isAuthenticated } from '../config.auth.js';
import type { Config } from '../config.js';
import { isLoopback } from '../config.kinds.js';
import { CATALOGUE, ServiceError } from '../errors.js';
import { logger } from '../logger.js';
import { metrics } from '../metrics.js';
import type { Service } from '../service.js';
import { authenticator, OPERATORS, type Authenticator } from './authenticate.js';
import { assertTarget, identify, unidentified } from './identify.js';
import { answerMalformed } from './malformed.js';
import { LAG_HEADER, problem, problemHeaders } from './respond.js';
import { refuseUnrouted, routes, type Listener, type RequestState } from './routes.js';
import { boundSockets } from './sockets.js';
import { isAllowed, OfferingRequest, Upgrades } from './upgrade.js';

export interface Listening {
  readonly url: string;
  /** Of the operators, where they have a port of their own. */
  readonly adminUrl?: string;
  /** Takes no more requests, asks every client to come back later, resolves when all are gone. */
  close(): Promise<void>;
}

/** A client that has not sent its headers by then holds a socket for nothing (slow loris). */
const HEADERS_MS_MAX = 10_000;
/** How often that is looked at. Many that are late are closed in one go, while all others wait. */
const HEADERS_CHECKED_MS = 100;
/**
 * How long a connection without a request is kept: longer than the 60 s of usual proxies. One that
 * were closed here first would fail the request that a proxy sends into it at that moment.
 */
const KEEP_ALIVE_MS = 75_000;
/** The largest request head: cookies and tokens fit, floods do not. */
const HEAD_BYTES_MAX = 16 * 1024;

/**
 * Serves a node over HTTP and WebSocket, and its operators at a port of their own where that is
 * configured.
 *
 * @throws Error for an address that reaches beyond this machine, where everybody who reaches the
 *   service may do everything.
 */
export async function listen(service: Service): Promise<Listening> {
  const { host, port, adminPort, drainSeconds } = service.config;
  if (!isLoopback(host) && !isAuthenticated(service.config)) {
    throw new Error(
      `HOST is ${host}, but no authentication is configured, so it must be a loopback address. ` +
        'See AUTH_JWT_SECRET, AUTH_JWKS_URL and AUTH_TRUSTED_PROXIES.',
    );
  }
  const draining = new AbortController();
  // Every stream listens; Node takes more than ten for a leak.
  setMaxListeners(0, draining.signal);
  const callers = authenticator(service.config, service.keys);
  const main = serverOf(application(service, draining.signal, 'main', callers), service.config);
  const upgrades = new Upgrades(main, service, callers);
  const url = await bind(main, port, host);
  const servers = [main];
  let adminUrl: string | undefined;
  if (adminPort !== '') {
    const admin = serverOf(
      application(service, draining.signal, 'admin', OPERATORS),
      service.config,
    );
    servers.push(admin);
    adminUrl = await bind(admin, adminPort, ADMIN_HOST).catch(async (error: unknown) => {
      await upgrades.drain(0);
      await closed(main);
      throw error;
    });
  }
  return {
    url,
    ...(adminUrl !== undefined && { adminUrl }),
    close: async () => {
      draining.abort();
      service.refusals.close();
      const ended = Promise.all(servers.map(closed));
      const late = setTimeout(() => {
        servers.forEach((server) => {
          server.closeAllConnections();
        });
      }, drainSeconds * 1000);
      await upgrades.drain(drainSeconds);
      servers.forEach((server) => {
        server.closeIdleConnections();
      });
      await ended;
      clearTimeout(late);
    },
  };
}

/**
 * For browsers: an answer is data, whatever it looks like, and never a page, a script or a frame.
 * The headers of helmet that say more to a page only are left out.
 */
const SECURITY_HEADERS: HelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
};

/** Operators are on the machine, or come through a tunnel to it. */
const ADMIN_HOST = '127.0.0.1';

function serverOf(app: Koa, config: Config): Server {
  const handle = app.callback();
  const server = createServer({
    IncomingMessage: OfferingRequest,
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: HEADERS_MS_MAX,
    connectionsCheckingInterval: HEADERS_CHECKED_MS,
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Without a Host, the answer is a problem as for any other mistake.
    requireHostHeader: false,
  });
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    void handle(request, response);
  };
  server.on('request', serve);
  // An expectation that is not known need not be met (RFC 9110, 10.1.1).
  server.on('checkExpectation', serve);
  answerMalformed(server);
  boundSockets(server, config);
  return server;
}

/** Begins to listen; gives the URL. */
async function bind(server: Server, port: number, host: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { address, port: bound, family } = server.address() as AddressInfo;
  const name = family === 'IPv6' ? `[${address}]` : address;
  return `http://${name}:${String(bound)}`;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

function application(
  service: Service,
  draining: AbortSignal,
  listener: Listener,
  callers: Authenticator,
): Koa {
  const { corsOrigins } = service.config;
  const app = new Koa();
  const router = routes(service, draining, listener);
  app.use(helmet(SECURITY_HEADERS));
  app.use((ctx, next) => answered(ctx, next, service));
  app.use(
    cors({
      origin: (ctx) => (isAllowed(ctx.get('Origin'), corsOrigins) ? ctx.get('Origin') : ''),
      exposeHeaders: ['X-Correlation-Id', 'Retry-After', 'WWW-Authenticate', LAG_HEADER],
    }),
  );
  // After CORS, so that a page can read why it is refused.
  app.use(async (ctx, next) => {
    const state = ctx.state as RequestState;
    state.context = await identify(ctx.req, state.context, callers);
    assertTarget(ctx.url);
    await next();
  });
  app.use(router.routes());
  app.use((ctx) => refuseUnrouted(ctx, router));
  // What reaches Koa itself is a stream that broke off under way: its client has gone.
  app.on('error', (error: unknown) => {
    logger.debug({ err: error }, 'response broke off');
  });
  return app;
}

/** Turns what is thrown into a problem, and writes the one line of the log. */
async function answered(
  ctx: KoaContext,
  next: () => Promise<unknown>,
  service: Service,
): Promise<void> {
  const began = performance.now();
  const state = ctx.state as RequestState;
  state.context = unidentified(ctx.req);
  ctx.set('X-Correlation-Id', state.context.correlationId);
  try {
    await next();
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'quota-exceeded') {
      const { workspace = '', context } = state;
      await service.refusals.hold({ workspace, caller: context.caller }, ctx.res);
    }
    if (ctx.res.destroyed && (error as Error).name === 'AbortError') {
      // Nobody waits for what was given up.
      ctx.respond = false;
    } else {
      refuse(ctx, error, service);
    }
  }
  const seconds = (performance.now() - began) / 1000;
  const { operationId = 'none', workspace, context } = state;
  const status = ctx.respond === false ? ctx.res.statusCode : ctx.status;
  metrics.requestSeconds.observe({ operation: operationId, status: String(status) }, seconds);
  logger.info(
    {
      correlationId: context.correlationId,
      userId: context.caller.userId,
      workspaceId: workspace,
      operation: operationId,
      method: ctx.method,
      status,
      ms: Math.round(seconds * 1_000_000) / 1000,
    },
    'request',
  );
}

function refuse(ctx: KoaContext, thrown: unknown, service: Service): void {
  const { context, workspace } = ctx.state as RequestState;
  const error = service.reporter.toldAs(thrown, context, workspace);
  if (ctx.res.headersSent) {
    ctx.res.destroy();
    return;
  }
  ctx.respond = true;
  ctx.status = CATALOGUE[error.code].status;
  ctx.set(problemHeaders(error));
  ctx.body = JSON.stringify(problem(error, context.correlationId));
  ctx.type = 'application/problem+json';
  if (!ctx.req.complete) {
    // The rest of a body that nobody reads would be taken for the next request.
    ctx.set('Connection', 'close');
  }
}
