import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { open, request as rawRequest } from '../support/raw.js';

const LINES = { 'Content-Type': 'application/x-ndjson' };
const draft = (n: number): Record<string, unknown> => ({ type: 'n', payload: { n } });

describe('Emitting over HTTP', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  const stream = (workspace: string, lines: readonly string[]): Promise<Reply> =>
    request(eventsUrl(node.url, workspace), {
      method: 'POST',
      headers: LINES,
      body: lines.join('\n'),
    });

  async function recorded(workspace: string): Promise<number[]> {
    const url = eventsUrl(node.url, workspace, { from: 'start', limit: '1000' });
    const { body } = await request(url);
    const events = body.events as { event: { payload: { n: number } } }[];
    return events.map(({ event }) => event.payload.n);
  }

  it('takes an event by itself or a batch, and answers with positions that follow', async () => {
    const one = await request(eventsUrl(node.url, 'one'), { json: draft(0) });
    const batch = await emit(node.url, 'one', [draft(1), draft(2)]);
    assert.deepEqual([one.status, batch.status], [201, 201]);
    const positions = [...one.body.results, ...batch.body.results].map(({ position }) =>
      Number((position as string).split('-')[1]),
    );
    assert.deepEqual(positions, [0, 1, 2]);
    assert.deepEqual(await recorded('one'), [0, 1, 2]);
  });

  it('answers item by item, each in its place', async () => {
    const { status, body } = await emit(node.url, 'items', [draft(0), null, draft(1), {}]);
    assert.equal(status, 207);
    const results = body.results as { error?: { code: string } }[];
    const codes = results.map(({ error }) => error?.code);
    assert.deepEqual(codes, [undefined, 'invalid-event', undefined, 'invalid-event']);
    assert.deepEqual(await recorded('items'), [0, 1]);
  });

  it('answers 422 where nothing of it could be taken', async () => {
    assert.equal((await emit(node.url, 'none', [null, {}])).status, 422);
    assert.equal((await stream('none', ['null', '{}'])).status, 422);
  });

  it('records an event once, however often it is sent, also twice in one batch', async () => {
    const again = { ...draft(0), id: 'again' };
    const first = await emit(node.url, 'again', [again, again]);
    const second = await emit(node.url, 'again', [again]);
    const [{ position }, twin] = first.body.results as [{ position: string }, unknown];
    const duplicate = { id: 'again', position, duplicate: true };
    assert.deepEqual(twin, duplicate);
    assert.deepEqual(second.body.results, [duplicate]);
    assert.deepEqual([first.status, second.status], [201, 201]);
    assert.deepEqual(await recorded('again'), [0]);
  });

  it('counts the lines of a stream, and ends with the cursor of the last', async () => {
    const lines = Array.from({ length: 2500 }, (_, n) => JSON.stringify(draft(n)));
    const { status, body } = await stream('lines', lines);
    assert.equal(status, 201);
    const { accepted, refused, errors, cursor } = body;
    assert.deepEqual({ accepted, refused, errors }, { accepted: 2500, refused: 0, errors: [] });
    assert.match(cursor, /-2499$/);
  });

  it('tells the first hundred wrong lines of a stream, and counts the others', async () => {
    const lines = Array.from({ length: 300 }, (_, n) => {
      return n % 2 === 0 ? JSON.stringify(draft(n)) : '{"type":3}';
    });
    const { status, body } = await stream('wrong', lines);
    assert.equal(status, 207);
    assert.deepEqual([body.accepted, body.refused], [150, 150]);
    const numbers = (body.errors as { line: number }[]).map(({ line }) => line);
    assert.deepEqual(
      numbers,
      Array.from({ length: 100 }, (_, n) => 2 * n + 2),
    );
    assert.match(body.cursor, /-149$/);
  });

  it('delivers a line of a stream while the stream goes on', async () => {
    const socket = await Socket.open(node.url, 'live');
    const { subscription } = await socket.ask({ op: 'subscribe' });
    const producer = open(node.url);
    const line = `${JSON.stringify(draft(7))}\n`;
    const chunked = { ...LINES, 'Transfer-Encoding': 'chunked' };
    const begin = `${line.length.toString(16)}\r\n${line}\r\n`;
    producer.write(rawRequest('POST', '/v2/workspaces/live/events', chunked, begin));
    await socket.until('the event has come', () => socket.events(subscription).length === 1);
    assert.equal(socket.events(subscription)[0]!.event.payload.n, 7);
    producer.destroy();
    await socket.close();
  });

  it('keeps the order of a stream of many parts', async () => {
    const lines = Array.from({ length: 1000 }, (_, n) => {
      return JSON.stringify({ type: 'n', payload: { n, text: 'x'.repeat(1000) } });
    });
    await stream('order', lines);
    assert.deepEqual(
      await recorded('order'),
      Array.from({ length: 1000 }, (_, n) => n),
    );
  });

  it('leaves out what the workspace redacts, and what makes an event too large', async () => {
    const url = `${node.url}/v2/workspaces/fits`;
    const config = { redact: ['payload.card.number'], fit: ['payload.picture'] };
    await request(url, { method: 'PUT', json: config });
    const payload = { card: { number: '4111', holder: 'Ada' }, picture: 'x'.repeat(2 ** 20) };
    const { status } = await emit(node.url, 'fits', [{ type: 'a', payload }]);
    assert.equal(status, 201);
    const { body } = await request(eventsUrl(node.url, 'fits', { from: 'start' }));
    const picture = `[left out: ${2 ** 20 + 2} bytes]`;
    assert.deepEqual(body.events[0].event.payload, { card: { holder: 'Ada' }, picture });
  });
});
