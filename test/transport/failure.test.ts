import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { logger } from '../../src/logger.js';
import { SYSTEM_WORKSPACE } from '../../src/policy.js';
import { emit, eventsUrl, request, Socket, sse } from '../support/client.js';
import { until } from '../until.js';
import { startNode, type TestNode } from '../support/node.js';

const SECRET = new Error('SELECT * FROM secret');
const failing = (): Promise<never> => Promise.reject(SECRET);

describe('A failure that nobody has foreseen', () => {
  let node: TestNode;

  before(async () => {
    // Without a ring, whoever is behind reads the log.
    node = await startNode({ ringBytesMax: 0 });
    await emit(node.url, 'w', [{ type: 'a', payload: {} }]);
  });
  after(async () => {
    await node.stop();
  });
  afterEach(() => {
    mock.restoreAll();
  });

  interface Reported {
    readonly source: Record<string, string>;
    readonly error: Record<string, string>;
  }

  /** The event that reports an error, which is emitted beside the answer. */
  const reported = (workspace: string): Promise<Reported> =>
    until('the error is an event', async () => {
      const url = eventsUrl(node.url, workspace, { from: 'start', type: 'error' });
      return (await request(url)).body.events[0]?.event as Reported | undefined;
    });

  it('is told without a word of the inside, logged with its stack, and an event', async () => {
    const logged = mock.method(logger, 'error', () => undefined);
    mock.method(node.service.log, 'append').mock.mockImplementationOnce(failing);
    const headers = { 'X-Correlation-Id': 'c-7', 'X-User-Id': 'ada' };
    const events = [{ id: 'e-1', type: 'a', payload: {} }];
    const { status, body, headers: answered } = await emit(node.url, 'w', events, headers);

    assert.deepEqual([status, body.code], [500, 'internal-error']);
    assert.equal(body.detail, 'Internal Error. Its correlation id is c-7.');
    assert.equal(answered.get('Retry-After'), '1');
    const [about] = logged.mock.calls[0]!.arguments as unknown as [Record<string, unknown>];
    assert.deepEqual(about, { err: SECRET, correlationId: 'c-7', workspaceId: 'w' });
    for (const workspace of ['w', SYSTEM_WORKSPACE]) {
      const { source, error } = await reported(workspace);
      assert.deepEqual([source.userId, source.correlationId], ['ada', 'c-7']);
      assert.deepEqual(error, { code: 'internal-error', message: body.detail });
    }

    // What was not recorded is not taken for a duplicate.
    const { body: again } = await emit(node.url, 'w', events);
    assert.ok(!('duplicate' in again.results[0]));
  });

  it('ends a subscription on a WebSocket, and not the others', async () => {
    const socket = await Socket.open(node.url, 'w');
    const { subscription } = await socket.ask({ op: 'subscribe' });
    mock.method(node.service.log, 'read', failing);
    await socket.ask({ op: 'subscribe', from: 'start' });
    const ended = await socket.until('it has ended', ({ op }) => op === 'ended');
    assert.notEqual(ended.subscription, subscription);
    assert.equal(ended.code, 'internal-error');
    assert.ok(!(ended.message as string).includes('SELECT'));
    const { results } = await socket.ask({ op: 'emit', events: [{ type: 'a', payload: {} }] });
    assert.equal(results.length, 1);
    await socket.until('the event has come', () => socket.events(subscription).length > 0);
    await socket.close();
  });

  it('ends Server-Sent Events with an error', async () => {
    mock.method(node.service.log, 'read', failing);
    const messages = [];
    for await (const message of sse(eventsUrl(node.url, 'w', { from: 'start' }))) {
      messages.push(message);
    }
    const { event, data } = messages.at(-1)!;
    assert.deepEqual([event, data.code], ['error', 'internal-error']);
  });

  it('is the answer to an export, where that has not begun', async () => {
    mock.method(node.service.log, 'read', failing);
    for (const Accept of ['application/x-ndjson', 'text/csv']) {
      const { status, body } = await request(eventsUrl(node.url, 'w'), { headers: { Accept } });
      assert.deepEqual([status, body.code], [500, 'internal-error']);
    }
  });

  it('fails a long poll and a search', async () => {
    mock.method(node.service.log, 'read', failing);
    mock.method(node.service.store, 'search', failing);
    for (const query of [{ from: 'start' }, {}]) {
      const { status, body } = await request(eventsUrl(node.url, 'w', query));
      assert.deepEqual([status, body.code], [500, 'internal-error']);
    }
  });
});
