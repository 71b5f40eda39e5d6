import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { request, eventsUrl, Socket, type Reply } from '../support/client.js';
import { clientOps, paths } from '../support/described.js';
import { IDENTITY } from '../support/identity.js';
import { spawnNode, temporaryFolder, type NodeProcess } from '../support/node.js';
import { until } from '../until.js';
import {
  CONFIG,
  credentials,
  headersOf,
  KNOWN,
  REFUSED,
  SPARE,
  spare,
  WORKSPACE,
} from './callers.js';

const ALL = [...KNOWN];
const OWNERS = ['superadmin', 'owner', 'key of an owner'];
const EMITTERS = [...OWNERS, 'editor', 'member'];
const READERS = [...EMITTERS, 'clerk'];
const ADMIN = ['superadmin'];

/** Who may do what: the only place where it is written down but for the code. */
const MAY: Record<string, readonly string[]> = {
  healthcheck: [...ALL, 'anonymous'],
  readiness: [...ALL, 'anonymous'],
  metrics: ADMIN,
  getLogging: ADMIN,
  putLogging: ADMIN,
  heapdump: ADMIN,
  listTails: ADMIN,
  listDeadLetters: ADMIN,
  replayDeadLetters: ADMIN,
  cleanUp: ADMIN,
  searchAll: ADMIN,
  getUsageOfAll: ADMIN,
  listWorkspaces: ALL,
  getWorkspace: OWNERS,
  putWorkspace: OWNERS,
  deleteWorkspace: ['superadmin', 'owner'],
  listKeys: OWNERS,
  createKey: OWNERS,
  revokeKey: OWNERS,
  restoreWorkspace: OWNERS,
  startRebuild: OWNERS,
  getRebuild: OWNERS,
  cancelRebuild: OWNERS,
  getAudit: [...OWNERS, 'clerk'],
  emitEvents: EMITTERS,
  readEvents: READERS,
  getEvent: READERS,
  searchEvents: READERS,
  getUsage: READERS,
};

const MAY_BY_FRAME: Record<string, readonly string[]> = {
  emit: EMITTERS,
  subscribe: READERS,
  unsubscribe: READERS,
  authenticate: READERS,
};

const BODIES: Record<string, unknown> = {
  putWorkspace: CONFIG,
  emitEvents: { type: 'order.paid', payload: {} },
  putLogging: { level: 'silent' },
};

const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods)
    .filter(([method]) => method !== 'parameters')
    .map(([method, operation]) => ({ path, method, operation: operation })),
);

const FRAMES: Record<string, (credential: string) => Record<string, unknown>> = {
  emit: () => ({ op: 'emit', events: [{ type: 'order.paid', payload: {} }] }),
  subscribe: () => ({ op: 'subscribe' }),
  unsubscribe: () => ({ op: 'unsubscribe', subscription: 's9' }),
  authenticate: (credential) => ({ op: 'authenticate', token: credential }),
};

describe('Who may do what', function () {
  this.timeout(60_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  // In a process of its own: a heap snapshot of all tests takes a minute.
  let node: NodeProcess;
  let callers: ReadonlyMap<string, string | undefined>;

  before(async () => {
    folder = await temporaryFolder();
    node = await spawnNode({ DATA_DIR: folder.path, ...IDENTITY });
    callers = await credentials(node.url);
  });
  after(async () => {
    await node.end();
    await folder.remove();
  });

  it('is written down for every operation and every frame, and for no other', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.deepEqual(ids.toSorted(), Object.keys(MAY).toSorted());
    assert.deepEqual([...clientOps].toSorted(), Object.keys(MAY_BY_FRAME).toSorted());
    assert.deepEqual([...clientOps].toSorted(), Object.keys(FRAMES).toSorted());
    const kinds = [...KNOWN, ...REFUSED, 'anonymous'];
    assert.deepEqual([...callers.keys()].toSorted(), kinds.toSorted());
  });

  for (const { path, method, operation } of operations) {
    const { operationId, requestBody } = operation;
    const ask = (credential: string | undefined): Promise<Reply> => {
      const workspace = operationId === 'deleteWorkspace' ? SPARE : WORKSPACE;
      const target = path
        .replace('{workspace}', workspace)
        .replace('{id}', 'e-1')
        .replace('{key}', '0123456789abcdef')
        .concat(operationId === 'deleteWorkspace' ? '?grace=0' : '');
      const { example } = requestBody?.content['application/json'] ?? {};
      const json = BODIES[operationId] ?? example;
      const headers = headersOf(credential);
      return request(node.url + target, {
        method: method.toUpperCase(),
        headers,
        ...(requestBody && { json }),
      });
    };

    it(`holds for ${operationId}`, async () => {
      const wrong: string[] = [];
      for (const [kind, credential] of callers) {
        if (operationId === 'deleteWorkspace') {
          await spare(node.url);
        }
        const { status, body, headers } = await ask(credential);
        const expected = expectedOf(kind, MAY[operationId]!);
        const found = status === 401 || status === 403 ? (body.code as string) : 'allowed';
        const isChallenged = headers.has('WWW-Authenticate') === (status === 401);
        if (found !== expected || !isChallenged || status >= 500) {
          wrong.push(`${kind}: ${status} ${found}, not ${expected}`);
        }
      }
      assert.deepEqual(wrong, []);
    });
  }

  for (const op of Object.keys(FRAMES)) {
    it(`holds for the frame ${op}`, async () => {
      const wrong: string[] = [];
      for (const [kind, credential] of callers) {
        const found = await answerTo(FRAMES[op]!(credential ?? 'abc'), credential, node.url);
        const expected = expectedOf(kind, MAY_BY_FRAME[op]!);
        if (found !== expected) {
          wrong.push(`${kind}: ${found}, not ${expected}`);
        }
      }
      assert.deepEqual(wrong, []);
    });
  }
});

function expectedOf(kind: string, allowed: readonly string[]): string {
  if (allowed.includes(kind)) {
    return 'allowed';
  }
  return (ALL as readonly string[]).includes(kind) ? 'forbidden' : 'unauthorized';
}

const UPGRADES: Readonly<Record<number, string>> = { 401: 'unauthorized', 403: 'forbidden' };

/** What comes of a frame, or of the connection that it needs. */
async function answerTo(
  frame: Record<string, unknown>,
  credential: string | undefined,
  url: string,
): Promise<string> {
  const headers = headersOf(credential);
  const status = await upgradeStatus(url, headers);
  if (status !== 101) {
    return UPGRADES[status] ?? String(status);
  }
  const socket = await Socket.open(url, WORKSPACE, headers);
  const { op, code } = await socket.ask(frame);
  const isRefused = op === 'error' && ['unauthorized', 'forbidden'].includes(code as string);
  if (code === 'unauthorized') {
    await until('it is closed', () => socket.closed !== undefined);
    assert.equal(socket.closed, 4401);
  }
  await socket.close();
  return isRefused ? (code as string) : 'allowed';
}

async function upgradeStatus(url: string, headers: Record<string, string>): Promise<number> {
  const address = eventsUrl(url, WORKSPACE).replace('http', 'ws');
  const ws = new WebSocket(address, 'workspace-events.v1', { headers });
  const refused = once(ws, 'unexpected-response').then(([, response]) => {
    const { statusCode } = response as { statusCode: number };
    return statusCode;
  });
  const status = await Promise.race([once(ws, 'open').then(() => 101), refused]);
  ws.on('error', () => undefined).terminate();
  return status;
}
