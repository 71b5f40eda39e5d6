import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { Position } from '../../src/event.js';
import { emit, eventsUrl, request } from '../support/client.js';
import { exportText, Rows, type Wanted } from '../support/export.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

const TEXT = 'x'.repeat(10_000);
const EVENTS = 3_000;
const BATCH_EVENTS = 500;

const WAYS: Record<string, Wanted> = {
  NDJSON: { format: 'lines', isGzipped: false },
  'gzipped NDJSON': { format: 'lines', isGzipped: true },
  CSV: { format: 'csv', isGzipped: false },
  'gzipped CSV': { format: 'csv', isGzipped: true },
};

describe('An export ends', () => {
  let node: TestNode;

  before(async () => {
    // Without a ring, all of it is read from the log, a little at a time.
    node = await startNode({ ringBytesMax: 0, positionSeconds: 0.05 });
    for (let first = 0; first < EVENTS; first += BATCH_EVENTS) {
      const drafts = Array.from({ length: BATCH_EVENTS }, (_, index) => {
        return { type: 'n', payload: { n: first + index, text: TEXT } };
      });
      await emit(node.url, 'w', drafts);
    }
  });
  after(async () => {
    await node.stop();
  });
  afterEach(() => {
    mock.restoreAll();
  });

  const exporting = async (): Promise<number> => {
    const { body } = await request(`${node.url}/metrics`);
    return Number(/^subscribers\{transport="export"\} (\d+)/m.exec(body as string)?.[1]);
  };

  /** The rows that came before an export broke off. */
  async function rowsOfBroken(wanted: Wanted): Promise<string[]> {
    const found: string[] = [];
    const rows = new Rows(wanted.format);
    await assert.rejects(async () => {
      for await (const text of exportText(node.url, 'w', wanted)) {
        found.push(...rows.in(text));
      }
    });
    return found;
  }

  for (const [name, wanted] of Object.entries(WAYS)) {
    it(`as ${name} when its client leaves, and reads no more`, async () => {
      const read = mock.method(node.service.log, 'read');
      for await (const text of exportText(node.url, 'w', wanted)) {
        assert.ok(text.length > 0);
        break;
      }
      await until('it has ended', async () => (await exporting()) === 0);
      const reads = read.mock.callCount();
      await emit(node.url, 'others', [{ type: 'n', payload: {} }]);
      assert.equal(read.mock.callCount(), reads);
      assert.ok(reads < EVENTS / 25, `${reads} reads: all was read`);
    });

    it(`as ${name} with a connection cut off, when reading fails under way`, async () => {
      const { log } = node.service;
      const read = log.read.bind(log);
      let reads = 0;
      mock.method(log, 'read', (...args: Parameters<typeof read>) =>
        ++reads > 5 ? Promise.reject(new Error('the disk is gone')) : read(...args),
      );
      const rows = await rowsOfBroken(wanted);
      assert.ok(rows.length < EVENTS);
      assert.equal(await exporting(), 0);
    });
  }

  it('as CSV with a connection cut off, where events are lost; then says so', async () => {
    const { log, store } = node.service;
    const read = log.read.bind(log);
    const hole = 1_000 as Position;
    mock.method(log, 'read', async (...[workspace, after, ...rest]: Parameters<typeof read>) => {
      const found = await read(workspace, after, ...rest);
      return after > 100 && after < hole - 1 ? { ...found, records: [], first: hole } : found;
    });
    mock.method(store, 'scan', () => Promise.resolve([]));
    mock.method(store, 'checkpoint', () => Promise.resolve(-1));

    const rows = await rowsOfBroken({ ...WAYS.CSV!, fields: ['payload.n'] });
    const last = rows.at(-1)!.split(',')[0]!;
    const { epoch } = await log.bounds('w');
    const asked = { fields: 'payload.n', header: 'false' };
    const csv = { headers: { Accept: 'text/csv' } };
    const refused = await request(eventsUrl(node.url, 'w', { ...asked, after: last }), csv);
    assert.deepEqual([refused.status, refused.body.code], [400, 'invalid-cursor']);
    const next = `${epoch}-${hole - 1}`;
    assert.equal(
      refused.body.detail,
      `What came before ${epoch}-${hole} is lost (expired), which this format cannot tell. ` +
        `Send after=${next} to have what there is.`,
    );
    const { body } = await request(eventsUrl(node.url, 'w', { ...asked, after: next }), csv);
    assert.match(body as string, new RegExp(`^${epoch}-${hole},${hole}\r\n`));

    const lines = { headers: { Accept: 'application/x-ndjson' } };
    const told = await request(eventsUrl(node.url, 'w', { after: last }), lines);
    const [first] = new Rows('lines').in(told.body as string);
    assert.deepEqual(JSON.parse(first!), {
      recovered: false,
      reason: 'expired',
      first: `${epoch}-${hole}`,
    });
  });

  it('with an error, when the workspace is deleted before it has begun', async () => {
    await emit(node.url, 'gone', [{ type: 'n', payload: { text: TEXT } }]);
    const { log } = node.service;
    const read = log.read.bind(log);
    mock.method(log, 'read', async (...args: Parameters<typeof read>) => {
      if (args[0] === 'gone') {
        await request(`${node.url}/v2/workspaces/gone`, { method: 'DELETE' });
      }
      return read(...args);
    });
    const { status, body } = await request(eventsUrl(node.url, 'gone'), {
      headers: { Accept: 'text/csv' },
    });
    assert.deepEqual([status, body.code], [404, 'workspace-not-found']);
  });

  it('begins although nothing matches for long, so that nobody takes it for dead', async () => {
    const { log } = node.service;
    const read = log.read.bind(log);
    for (const [Accept, nothing] of [
      ['application/x-ndjson', ''],
      ['text/csv', 'position,id\r\n'],
    ] as const) {
      let goOn: () => void = () => undefined;
      const waiting = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const began = performance.now();
      let reads = 0;
      const slow = mock.method(log, 'read', async (...args: Parameters<typeof read>) => {
        await (reads++ > 0
          ? waiting
          : until('time has gone by', () => performance.now() - began > 100));
        return read(...args);
      });
      const url = eventsUrl(node.url, 'w', { type: 'none', fields: 'id' });
      // By itself, fetch asks for gzip, which holds its output back.
      const response = await fetch(url, { headers: { Accept } });
      goOn();
      assert.equal(await response.text(), nothing);
      slow.mock.restore();
    }
  });
});
