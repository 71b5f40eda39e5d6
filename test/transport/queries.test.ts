import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { emit, eventsUrl, request } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

const EVENTS = 30_000;
const BATCH_EVENTS = 10_000;

/** Between two looks of a query at how far the history is, at most. */
const LOOK_MS_MAX = 100;

/** No event matches, and no index knows that. */
const HOPELESS = { 'source.workspaceId': { gt: 'a', lt: 'b' }, type: { suffix: 'none' } };
const HOPELESS_QUERY = 'source.workspaceId.gt=a&source.workspaceId.lt=b&type.suffix=none';
const COUNT = { metrics: { n: { count: true } } };

async function nodeWith(
  events: number,
  settings: Parameters<typeof startNode>[0],
): Promise<TestNode> {
  const node = await startNode(settings);
  let cursor = '';
  for (let n = 0; n < events; n += BATCH_EVENTS) {
    const drafts = Array.from({ length: BATCH_EVENTS }, () => ({ type: 'n', payload: {} }));
    const { body } = await emit(node.url, 'w', drafts);
    cursor = (body.results as { position: string }[]).at(-1)!.position;
  }
  if (events > 0) {
    await request(eventsUrl(node.url, 'w', { waitFor: cursor, wait: '60', limit: '1' }));
  }
  return node;
}

describe('A query whose client leaves ends', function () {
  this.timeout(60_000);
  let node: TestNode;

  before(async () => {
    node = await nodeWith(EVENTS, {});
  });
  after(async () => {
    await node.stop();
  });
  afterEach(() => {
    mock.restoreAll();
  });

  type Ask = (url: string, signal: AbortSignal) => Promise<unknown>;
  const get =
    (path: string, Accept = 'application/json'): Ask =>
    (url, signal) =>
      fetch(`${url}${path}`, { signal, headers: { Accept } });
  const post =
    (path: string, json: unknown): Ask =>
    (url, signal) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(json),
        signal,
      });
  const events = '/v2/workspaces/w/events';

  const queries: Record<string, ['search' | 'aggregate', Ask]> = {
    'a search': ['search', get(`${events}?${HOPELESS_QUERY}`)],
    'a search in JSON': ['search', post('/v2/workspaces/w/search', { filter: HOPELESS })],
    'a search by time': [
      'search',
      post('/v2/workspaces/w/search', { filter: HOPELESS, sort: 'time' }),
    ],
    'a count': ['aggregate', get(`${events}?limit=1&count=true`)],
    'an aggregation': ['aggregate', post('/v2/workspaces/w/search', COUNT)],
    'a usage': ['aggregate', get('/v2/workspaces/w/usage')],
    'a search of all workspaces': ['search', post('/v2/search', { filter: HOPELESS })],
    'an aggregation of all workspaces': ['aggregate', post('/v2/search', COUNT)],
    'the usage of all workspaces': ['aggregate', get('/v2/usage')],
    'a long poll from the last': ['search', get(`${events}?${HOPELESS_QUERY}&from=last:3`)],
    'an export from the last': [
      'search',
      get(`${events}?${HOPELESS_QUERY}&from=last:3`, 'text/csv'),
    ],
    'Server-Sent Events from the last': [
      'search',
      get(`${events}?${HOPELESS_QUERY}&from=last:3`, 'text/event-stream'),
    ],
  };

  for (const [what, [method, ask]] of Object.entries(queries)) {
    it(`in the store: ${what}`, async () => {
      const { store } = node.service;
      const real = store[method].bind(store) as (query: never) => Promise<unknown>;
      const running: Promise<unknown>[] = [];
      mock.method(store, method, (query: never) => {
        const result = real(query);
        running.push(result);
        return result;
      });
      const leaving = new AbortController();
      const asked = ask(node.url, leaving.signal);
      await until('it is under way', () => running.length > 0);
      leaving.abort();
      await assert.rejects(asked, { name: 'AbortError' });
      await assert.rejects(running[0]!, { name: 'AbortError' });
    });
  }

  it('also where it waits for what is not yet in the history', async () => {
    const { epoch } = await node.service.log.bounds('w');
    const looked = mock.method(node.service.store, 'checkpoint');
    const leaving = new AbortController();
    const query = { waitFor: `${epoch}-${EVENTS}`, wait: '60' };
    const asked = fetch(eventsUrl(node.url, 'w', query), { signal: leaving.signal });
    await until('it waits', () => looked.mock.callCount() > 1);
    leaving.abort();
    await assert.rejects(asked, { name: 'AbortError' });
    let [last, since] = [0, 0];
    await until('nobody looks any more', () => {
      const count = looked.mock.callCount();
      [last, since] = count === last ? [last, since] : [count, performance.now()];
      return performance.now() - since > 4 * LOOK_MS_MAX;
    });
  });
});

describe('Heavy queries', () => {
  let node: TestNode;

  before(async () => {
    node = await nodeWith(0, { heavyQueriesMax: 2 });
    for (const workspace of ['a', 'b']) {
      await emit(node.url, workspace, [{ type: 'n', payload: {} }]);
    }
  });
  after(async () => {
    await node.stop();
  });
  afterEach(() => {
    mock.restoreAll();
  });

  it('are bounded for each workspace, whatever they are, and searches are not', async () => {
    const { store } = node.service;
    const real = store.aggregate.bind(store);
    let goOn: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const aggregate = mock.method(store, 'aggregate', async (query: Parameters<typeof real>[0]) => {
      await waiting;
      return real(query);
    });
    const searchUrl = (workspace: string): string =>
      `${node.url}/v2/workspaces/${workspace}/search`;
    const running = [
      request(searchUrl('a'), { json: COUNT }),
      request(`${node.url}/v2/workspaces/a/usage`),
    ];
    await until('both are under way', () => aggregate.mock.callCount() === 2);
    for (const refused of [
      await request(searchUrl('a'), { json: COUNT }),
      await request(searchUrl('a'), { json: { count: true } }),
      await request(eventsUrl(node.url, 'a', { count: 'true' })),
      await request(`${node.url}/v2/workspaces/a/usage`),
    ]) {
      assert.deepEqual([refused.status, refused.body.code], [429, 'limit-exceeded']);
      assert.match(refused.body.detail as string, /^2 counts and aggregations of a are running/);
      assert.equal(refused.headers.get('Retry-After'), '1');
    }
    assert.equal((await request(searchUrl('a'), { json: {} })).status, 200);
    const other = request(searchUrl('b'), { json: COUNT });
    goOn();
    for (const { status } of await Promise.all([...running, other])) {
      assert.equal(status, 200);
    }
    assert.equal((await request(searchUrl('a'), { json: COUNT })).status, 200);
  });

  it('that fail leave room for others', async () => {
    const failing = mock.method(node.service.store, 'aggregate', () =>
      Promise.reject(new Error('the disk is gone')),
    );
    const ask = async (): Promise<number> =>
      (await request(`${node.url}/v2/workspaces/a/usage`)).status;
    assert.deepEqual([await ask(), await ask(), await ask()], [500, 500, 500]);
    failing.mock.restore();
    assert.equal(await ask(), 200);
  });
});

describe('A query that takes too long', function () {
  this.timeout(60_000);
  let node: TestNode;

  before(async () => {
    node = await nodeWith(EVENTS, { searchMsMax: 10 });
  });
  after(async () => {
    await node.stop();
  });

  for (const [what, json] of [
    ['a search', { filter: HOPELESS }],
    ['a search by time', { filter: HOPELESS, sort: 'time' }],
    ['an aggregation', COUNT],
    ['a count beside a page', { limit: 1, count: true }],
  ] as const) {
    it(`is refused, with what to do about it: ${what}`, async () => {
      const url = `${node.url}/v2/workspaces/w/search`;
      const { status, body, headers } = await request(url, { json });
      assert.deepEqual([status, body.code], [503, 'unavailable']);
      assert.match(body.detail as string, /longer than 10 ms\. Narrow its filter/);
      assert.equal(headers.get('Retry-After'), '1');
    });
  }

  it('leaves others to be answered', async () => {
    const url = `${node.url}/v2/workspaces/w/search`;
    const slow = Array.from({ length: 3 }, () => request(url, { json: COUNT }));
    assert.equal((await request(url, { json: { limit: 1 } })).body.events.length, 1);
    for (const { status } of await Promise.all(slow)) {
      assert.equal(status, 503);
    }
  });
});
