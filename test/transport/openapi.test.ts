import assert from 'node:assert/strict';
import { Validator } from '@seriousme/openapi-schema-validator';
import { openapi } from '../../src/commands/schemas.js';
import { CATALOGUE } from '../../src/errors.js';
import { emit, eventsUrl, request, type Reply } from '../support/client.js';
import { assertDescribed, paths } from '../support/described.js';
import { until } from '../until.js';
import { spawnNode, temporaryFolder, type NodeProcess } from '../support/node.js';

type Json = Record<string, unknown>;

const LINES = { 'Content-Type': 'application/x-ndjson' };
const DRAFT = { type: 'order.paid', payload: { total: 12 } };

/** What asks for each operation, in this order, for each status that is described by itself. */
const WALK: Record<string, readonly ((url: string) => Promise<Reply>)[]> = {
  putWorkspace: [
    (url) => request(`${url}/v2/workspaces/walk`, { method: 'PUT', json: { description: 'a' } }),
    (url) =>
      request(`${url}/v2/workspaces/walk`, { method: 'PUT', json: { redact: ['payload.a'] } }),
    (url) => request(`${url}/v2/workspaces/walk`, { method: 'PUT', json: { redact: 'payload.a' } }),
  ],
  getWorkspace: [
    (url) => request(`${url}/v2/workspaces/walk`),
    (url) => request(`${url}/v2/workspaces/nobody`),
  ],
  listWorkspaces: [
    (url) => request(`${url}/v2/workspaces`),
    (url) => request(`${url}/v2/workspaces?x=1`),
  ],
  emitEvents: [
    (url) => emit(url, 'walk', [{ ...DRAFT, id: 'w-1', target: { userId: 'u' }, options: {} }]),
    (url) => emit(url, 'walk', [DRAFT, { ...DRAFT, id: 'w-1' }, null]),
    (url) => emit(url, 'walk', [null]),
    (url) => emit(url, 'walk', []),
    ...['{}\n', `{}\n${JSON.stringify(DRAFT)}`, JSON.stringify(DRAFT), ''].map((body) => {
      const init = { method: 'POST', headers: LINES, body };
      return (url: string) => request(eventsUrl(url, 'walk'), init);
    }),
    (url) => emit(url, '_system', [DRAFT]),
  ],
  readEvents: [
    (url) => request(eventsUrl(url, 'walk', { limit: '1' })),
    (url) => request(eventsUrl(url, 'walk', { from: 'start', limit: '1' })),
    (url) => request(eventsUrl(url, 'walk', { after: 'aaaaaaaa-1' })),
    (url) => request(eventsUrl(url, 'walk'), { headers: { Accept: 'application/x-ndjson' } }),
    (url) => request(eventsUrl(url, 'walk', { after: 'x' })),
    (url) => request(eventsUrl(url, 'walk', { limit: '0' })),
    (url) => request(eventsUrl(url, 'walk', { 'payload.total.gte': '1', type: 'a*b' })),
    (url) => stream(eventsUrl(url, 'walk')),
  ],
  getEvent: [
    (url) =>
      until('it is in the history', async () => {
        const reply = await request(`${eventsUrl(url, 'walk')}/w-1`);
        return reply.status === 200 && reply;
      }),
    (url) => request(`${eventsUrl(url, 'walk')}/w-2`),
  ],
  searchAll: [
    (url) => request(`${url}/v2/search`, { json: { filter: { type: 'order.*' }, limit: 2 } }),
    (url) => request(`${url}/v2/search`, { json: { groupBy: ['workspaceId'] } }),
    (url) => request(`${url}/v2/search`, { json: { groupBy: ['id'] } }),
  ],
  getUsage: [
    (url) => request(`${url}/v2/workspaces/walk/usage`),
    (url) => request(`${url}/v2/workspaces/walk/usage?interval=1h&by=type`),
    (url) => request(`${url}/v2/workspaces/nobody/usage`),
    (url) => request(`${url}/v2/workspaces/walk/usage?interval=soon`),
  ],
  getUsageOfAll: [
    (url) => request(`${url}/v2/usage?by=workspaceId`),
    (url) => request(`${url}/v2/usage?from=yesterday`),
  ],
  searchEvents: [
    (url) =>
      request(`${url}/v2/workspaces/walk/search`, {
        json: { groupBy: ['type'], metrics: { n: { count: true } } },
      }),
    (url) => request(`${url}/v2/workspaces/walk/search`, { json: { filter: { type: 'order.*' } } }),
    (url) => request(`${url}/v2/workspaces/walk/search`, { json: { filter: 3 } }),
  ],
  createKey: [
    (url) => request(`${url}/v2/workspaces/walk/keys`, { json: { role: 'member' } }),
    (url) => request(`${url}/v2/workspaces/walk/keys`, { json: { role: 'clerk' } }),
  ],
  listKeys: [
    (url) => request(`${url}/v2/workspaces/walk/keys`),
    (url) => request(`${url}/v2/workspaces/nobody/keys`),
  ],
  revokeKey: [
    async (url) => {
      const { body } = await request(`${url}/v2/workspaces/walk/keys`);
      const { id } = body.keys[0] as { id: string };
      return request(`${url}/v2/workspaces/walk/keys/${id}`, { method: 'DELETE' });
    },
    (url) => request(`${url}/v2/workspaces/walk/keys/x`, { method: 'DELETE' }),
  ],
  getAudit: [
    (url) => request(`${url}/v2/workspaces/walk/audit?limit=1`),
    (url) => request(`${url}/v2/workspaces/walk/audit?limit=0`),
  ],
  metrics: [(url) => request(`${url}/metrics`), (url) => request(`${url}/metrics?x=1`)],
  healthcheck: [
    (url) => request(`${url}/sys/healthcheck`),
    (url) => request(`${url}/sys/healthcheck?x=1`),
  ],
  readiness: [
    (url) => request(`${url}/sys/readiness`),
    (url) => request(`${url}/sys/readiness?x=1`),
  ],
  getLogging: [(url) => request(`${url}/sys/logging`), (url) => request(`${url}/sys/logging?x=1`)],
  putLogging: [
    (url) => request(`${url}/sys/logging`, { method: 'PUT', json: { level: 'warn' } }),
    (url) => request(`${url}/sys/logging`, { method: 'PUT', json: { level: 'loud' } }),
  ],
  heapdump: [(url) => request(`${url}/sys/heapdump`), (url) => request(`${url}/sys/heapdump?x=1`)],
  listTails: [
    (url) => request(`${url}/sys/subscriptions`),
    (url) => request(`${url}/sys/subscriptions?x=1`),
  ],
  listDeadLetters: [
    (url) => request(`${url}/sys/deadletters?workspace=walk`),
    (url) => request(`${url}/sys/deadletters?limit=0`),
  ],
  replayDeadLetters: [
    (url) => request(`${url}/sys/deadletters?workspace=walk`, { method: 'POST' }),
    (url) => request(`${url}/sys/deadletters?limit=0`, { method: 'POST' }),
  ],
  startRebuild: [
    (url) => request(`${url}/v2/workspaces/walk/rebuild`, { method: 'POST' }),
    (url) => request(`${url}/v2/workspaces/nobody/rebuild`, { method: 'POST' }),
  ],
  getRebuild: [
    (url) => request(`${url}/v2/workspaces/walk/rebuild`),
    (url) => request(`${url}/v2/workspaces/nobody/rebuild`),
  ],
  cancelRebuild: [
    (url) => request(`${url}/v2/workspaces/walk/rebuild`, { method: 'DELETE' }),
    (url) => request(`${url}/v2/workspaces/nobody/rebuild`, { method: 'DELETE' }),
  ],
  cleanUp: [
    (url) => request(`${url}/sys/cleanup?dryRun=true`, { method: 'POST' }),
    (url) => request(`${url}/sys/cleanup?workspace=nobody`, { method: 'POST' }),
  ],
  deleteWorkspace: [
    (url) => request(`${url}/v2/workspaces/walk`, { method: 'DELETE' }),
    (url) => request(`${url}/v2/workspaces/nobody`, { method: 'DELETE' }),
  ],
  restoreWorkspace: [
    (url) => request(`${url}/v2/workspaces?deleted=true`),
    (url) => request(`${url}/v2/workspaces/walk/restore`, { method: 'POST' }),
    (url) => request(`${url}/v2/workspaces/nobody/restore`, { method: 'POST' }),
  ],
};

/** Opens a stream that does not end, and looks at how it begins. */
async function stream(url: string): Promise<Reply> {
  const stopping = new AbortController();
  const headers = { Accept: 'text/event-stream' };
  const response = await fetch(url, { headers, signal: stopping.signal });
  const { status, headers: given } = response;
  const type = given.get('Content-Type')?.split(';')[0] ?? '';
  stopping.abort();
  const path = new URL(url).pathname;
  assertDescribed({ method: 'GET', path }, { status, type, body: '' });
  return { status, headers: given, body: '' };
}

describe('The description of the API', function () {
  // A heap snapshot of a process that has run all tests takes its time.
  this.timeout(120_000);

  const operations = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .filter(({ operationId }) => (operationId as string | undefined) !== undefined);

  let node: NodeProcess;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  before(async () => {
    folder = await temporaryFolder();
    node = await spawnNode({ DATA_DIR: folder.path });
  });
  after(async () => {
    await node.end();
    await folder.remove();
  });

  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(openapi));
    assert.ok(valid, JSON.stringify(errors));
    assert.equal(validator.version, '3.1');
  });

  it('has the operations that this asks for, and no other', () => {
    assert.deepEqual(
      operations.map(({ operationId }) => operationId).toSorted(),
      Object.keys(WALK).toSorted(),
    );
  });

  for (const [operationId, asks] of Object.entries(WALK)) {
    it(`has every answer of ${operationId}`, async () => {
      const { responses } = operations.find((operation) => operation.operationId === operationId)!;
      // Each answer is held to the description as it comes.
      const seen: string[] = [];
      for (const ask of asks) {
        seen.push(String((await ask(node.url)).status));
      }
      const { default: refusal, ...named } = responses;
      assert.ok(refusal, 'a refusal is not described');
      assert.deepEqual(
        Object.keys(named).filter((status) => !seen.includes(status)),
        [],
      );
      assert.ok(seen.some((status) => Number(status) >= 400));
    });
  }

  it('has examples of bodies that are taken', async () => {
    const bodies = operations.flatMap((operation) => {
      const { requestBody } = operation as { requestBody?: Json };
      const content = (requestBody?.content ?? {}) as Record<string, Json>;
      const { example, examples } = content['application/json'] ?? {};
      const named = Object.values((examples ?? {}) as Record<string, Json>).map((of) => of.value);
      return [example, ...named]
        .filter((body) => body !== undefined)
        .map((json) => ({ operation, json }));
    });
    assert.equal(bodies.length, 6);
    for (const { operation, json } of bodies) {
      const [path, methods] = Object.entries(paths).find(([, of]) =>
        Object.values(of).includes(operation),
      )!;
      const method = Object.keys(methods).find((name) => methods[name] === operation)!;
      const url = node.url + path.replace('{workspace}', 'examples');
      const { status } = await request(url, { method: method.toUpperCase(), json });
      assert.ok(status < 300, `${operation.operationId} ${JSON.stringify(json)}`);
    }
  });

  it('has the codes of the catalogue', () => {
    const { schemas } = openapi.components as { schemas: Record<string, { enum?: string[] }> };
    assert.deepEqual(schemas.ErrorCode?.enum, Object.keys(CATALOGUE));
  });

  it('says of what has a form in words what would be right, since a refusal tells these', () => {
    const { schemas, parameters } = openapi.components as Record<string, Json>;
    const bodies = [
      ...['Draft', 'CloudEvents', 'SearchBody', 'WorkspaceConfig', 'From', 'Target'],
      ...['KeyBody', 'KeyId', 'Role'],
    ];
    const found = [
      ...bodies.map((name) => schemas![name]),
      ...Object.values(parameters!),
      ...operations.map((operation) => (operation as { parameters?: unknown }).parameters),
    ].flatMap((part) => formed(part));
    assert.ok(found.length > 8);
    assert.deepEqual(
      found.filter((schema) => typeof schema.description !== 'string'),
      [],
    );
  });
});

/** The schemas within a part of the description of which ajv says no more than that they fail. */
function formed(part: unknown): Json[] {
  if (typeof part !== 'object' || part === null) {
    return [];
  }
  const { $ref } = part as { $ref?: string };
  if ($ref !== undefined) {
    const steps = $ref.split('/').slice(1);
    return formed(steps.reduce<unknown>((at, step) => (at as Json)[step], openapi));
  }
  const isFormed = ['pattern', 'format', 'not', 'oneOf', 'anyOf'].some((word) => word in part);
  const within = Object.entries(part)
    // What is in a choice is not told, only the choice.
    .filter(([word]) => word !== 'oneOf' && word !== 'anyOf')
    .flatMap(([, value]) => formed(value));
  return isFormed ? [part as Json, ...within] : within;
}
