import Router from '@koa/router';
import type { Context as KoaContext } from 'koa';
import type { Context } from '../commands/context.js';
import { ServiceError } from '../errors.js';
import type { Service } from '../service.js';
import * as admin from './admin.js';
import * as events from './events.js';
import type { Call } from './call.js';
import { cleanUp } from './cleanup.js';
import { checkBody, checkParameters, operations } from './openapi.js';
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

/** A route for every operation of the API; an operation without a handler stops the start. */
export function routes(service: Service, draining: AbortSignal): Router {
  // A path has one spelling, as in the description.
  const router = new Router({ strict: true, sensitive: true });
  // Without the role a node has what its operators need, and nothing else.
  const served = operations.filter(
    ({ path }) => service.config.roles.includes('api') || !path.startsWith('/v2/'),
  );
  for (const { operationId, method, path } of served) {
    const handler = handlers[operationId];
    if (!handler) {
      throw new Error(`schemas/openapi.yaml has ${operationId}, for which there is no handler`);
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
      checkParameters(operationId, described);
      const left = new AbortController();
      ctx.res.once('close', () => {
        left.abort();
      });
      await handler(ctx, {
        service,
        context: state.context,
        workspace: params.workspace ?? '',
        draining,
        left: left.signal,
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
