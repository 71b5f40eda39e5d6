import type { ServerResponse } from 'node:http';
import Router from '@koa/router';
import type { Context as KoaContext } from 'koa';
import type { Context } from '../commands/context.js';
import { ServiceError } from '../errors.js';
import type { Service } from '../service.js';
import * as admin from './admin.js';
import * as events from './events.js';
import type { Call } from './call.js';
import { cleanUp } from './cleanup.js';
import * as keys from './keys.js';
import { checkBody, checkParameters, operations } from './openapi.js';
import { assertKnown, assertMay, NEEDS, type Permission } from './permissions.js';
import * as rebuild from './rebuild.js';
import * as search from './search.js';
import * as workspaces from './workspaces.js';

type Handler = (ctx: KoaContext, call: Call) => void | Promise<void>;

const handlers: Readonly<Record<string, Handler>> = {
  emitEvents: events.emitEvents,
  readEvents: events.readEvents,
  getEvent: events.getEvent,
  searchEvents: search.searchEvents,
  searchAll: search.searchAll,
  getUsage: search.getUsage,
  getUsageOfAll: search.getUsageOfAll,
  listWorkspaces: workspaces.listWorkspaces,
  getWorkspace: workspaces.getWorkspace,
  putWorkspace: workspaces.putWorkspace,
  deleteWorkspace: workspaces.deleteWorkspace,
  startRebuild: rebuild.startRebuild,
  getRebuild: rebuild.getRebuild,
  cancelRebuild: rebuild.cancelRebuild,
  restoreWorkspace: workspaces.restoreWorkspace,
  listKeys: keys.listKeys,
  createKey: keys.createKey,
  revokeKey: keys.revokeKey,
  getAudit: search.getAudit,
  metrics: admin.metrics,
  healthcheck: admin.healthcheck,
  readiness: admin.readiness,
  getLogging: admin.getLogging,
  putLogging: admin.putLogging,
  heapdump: admin.heapdump,
  listTails: admin.listTails,
  listDeadLetters: admin.listDeadLetters,
  replayDeadLetters: admin.replayDeadLetters,
  cleanUp,
};

/** What the server knows of a request before it is routed. */
export interface RequestState {
  context: Context;
  operationId?: string;
  workspace?: string;
}

/** Where operations are served. */
export type Listener = 'main' | 'admin';

/**
 * A route for every operation of the API; one without a handler, or of which is not said what it
 * needs, stops the start.
 */
export function routes(service: Service, draining: AbortSignal, listener: Listener): Router {
  // A path has one spelling, as in the description.
  const router = new Router({ strict: true, sensitive: true });
  for (const { operationId, method, path } of operations) {
    const handler = handlers[operationId];
    const permission = NEEDS[operationId];
    if (!handler || !permission) {
      const missing = handler ? 'permission' : 'handler';
      throw new Error(`schemas/openapi.yaml has ${operationId}, for which there is no ${missing}`);
    }
    if (!isServed(path, permission, service.config, listener)) {
      continue;
    }
    const route = path.replaceAll(/\{(\w+)\}/g, ':$1');
    router.register(route, [method], async (ctx: KoaContext) => {
      const state = ctx.state as RequestState;
      const params = ctx.params as Record<string, string>;
      const described = { params, query: { ...ctx.query }, headers: ctx.headers };
      state.operationId = operationId;
      if (params.workspace !== undefined) {
        state.workspace = params.workspace;
      }
      const { workspace = '' } = params;
      const { caller } = state.context;
      assertKnown(permission, caller);
      checkParameters(operationId, described);
      const grants = service.workspaces.grantsOf(workspace);
      assertMay(permission, { caller, workspace, grants });
      if (workspace !== '' && permission !== 'emit') {
        service.quotas.take({ searchesPerSecond: 1 }, { workspace, caller });
      }
      let left: AbortSignal | undefined;
      await handler(ctx, {
        service,
        context: state.context,
        workspace,
        draining,
        left: () => (left ??= whenClosed(ctx.res)),
        query: described.query,
        check: (body) => {
          checkBody(operationId, body);
        },
      });
    });
    if (operationId === 'readEvents') {
      // The router answers HEAD wherever there is a GET; but of a stream it would never end.
      router.stack.at(-1)!.methods = ['GET'];
    }
  }
  return router;
}

/** Made once, as it costs more than all else of an answer that is over. */
const CLIENT_LEFT = new DOMException('The client has left, or has its answer.', 'AbortError');

function whenClosed(response: ServerResponse): AbortSignal {
  const closing = new AbortController();
  const abort = (): void => {
    closing.abort(CLIENT_LEFT);
  };
  if (response.closed) {
    abort();
  } else {
    response.once('close', abort);
  }
  return closing.signal;
}

/**
 * Clients are served where a node has the role, operators where they have a listener of their own
 * there alone; whether a node is up is for everybody to know.
 */
function isServed(
  path: string,
  permission: Permission,
  { roles, adminPort }: Service['config'],
  listener: Listener,
): boolean {
  if (path.startsWith('/v2/')) {
    return listener === 'main' && roles.includes('api');
  }
  return listener === 'admin' || adminPort === '' || permission === 'anybody';
}

/** @throws ServiceError where no route took the request: 405 where the path has other methods. */
export function refuseUnrouted(ctx: KoaContext, router: Router): never {
  const { path } = router.match(ctx.path, ctx.method);
  if (path.length > 0) {
    const allowed = [...new Set(path.flatMap((layer) => layer.methods))].join(', ');
    ctx.set('Allow', allowed);
    throw new ServiceError('method-not-allowed', `${ctx.method} is not allowed here: ${allowed}.`);
  }
  throw new ServiceError(
    'not-found',
    `There is nothing at ${ctx.path.slice(0, 200)}. The API is in schemas/openapi.yaml.`,
  );
}
