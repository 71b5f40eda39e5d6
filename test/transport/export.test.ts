import assert from 'node:assert/strict';
import { emit, eventsUrl } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';

interface Line {
  readonly position: string;
  readonly event: { readonly id: string; readonly payload: { readonly n: number } };
}

const drafts = (from: number, count: number, more: object = {}): unknown[] =>
  Array.from({ length: count }, (_, i) => ({
    type: `t${i % 2}`,
    payload: { n: from + i },
    ...more,
  }));

describe('An export', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  async function exported(
    workspace: string,
    query: Record<string, string> = {},
  ): Promise<{ text: string; lines: Line[] }> {
    const headers = { Accept: 'application/x-ndjson' };
    const response = await fetch(eventsUrl(node.url, workspace, query), { headers });
    assert.equal(response.headers.get('Content-Type'), 'application/x-ndjson; charset=utf-8');
    const text = await response.text();
    const lines = text.split('\n').slice(0, -1);
    return { text, lines: lines.map((line) => JSON.parse(line) as Line) };
  }

  it('is the log, byte for byte, in its order', async () => {
    await emit(node.url, 'whole', drafts(0, 1000, { target: { topic: 'zwölf' } }));
    await emit(node.url, 'whole', drafts(1000, 1000));
    const { text } = await exported('whole');
    const { epoch, next } = await node.service.log.bounds('whole');
    const { records } = await node.service.log.read('whole', -1 as never, 2 ** 30);
    assert.equal(next, 2000);
    const log = records.map(({ position, bytes }) => {
      return `{"position":"${epoch}-${position}","event":${Buffer.from(bytes).toString()}}\n`;
    });
    assert.equal(text, log.join(''));
  });

  it('goes on after its last whole line, wherever it was cut off', async () => {
    await emit(node.url, 'cut', drafts(0, 50));
    const { text } = await exported('cut');
    for (const length of [0, 1, 500, 5000, text.length - 1]) {
      const whole = text.slice(0, text.lastIndexOf('\n', length - 1) + 1);
      const last = whole.split('\n').at(-2);
      const after = last === undefined ? undefined : (JSON.parse(last) as Line).position;
      const rest = await exported('cut', after === undefined ? {} : { after });
      assert.equal(whole + rest.text, text);
    }
  });

  it('has what matches', async () => {
    await emit(node.url, 'filter', drafts(0, 10));
    const { lines } = await exported('filter', { type: 't1', 'payload.n.gte': '4' });
    assert.deepEqual(
      lines.map(({ event }) => event.payload.n),
      [5, 7, 9],
    );
  });

  it('has the chosen fields of each event, where it is asked for those', async () => {
    const drafts = [{ a: [1, 2] }, { b: '=1' }].map((payload) => ({ type: 'n', payload }));
    await emit(node.url, 'chosen', drafts);
    const fields = { fields: 'payload.a', type: 'n' };
    const { text } = await exported('chosen', fields);
    const { epoch } = await node.service.log.bounds('chosen');
    assert.deepEqual(text.split('\n'), [
      `{"position":"${epoch}-0","fields":{"payload.a":[1,2]}}`,
      `{"position":"${epoch}-1","fields":{}}`,
      '',
    ]);
    assert.deepEqual((await exported('chosen', { ...fields, after: `${epoch}-1` })).lines, []);
  });

  it('is compressed where the client takes that, and says what that hangs on', async () => {
    await emit(node.url, 'zip', drafts(0, 2000));
    for (const Accept of ['application/x-ndjson', 'text/csv']) {
      const plain = await ask({ Accept, 'Accept-Encoding': 'identity' });
      for (const [given, encoding] of [
        ['gzip', 'gzip'],
        ['deflate, gzip;q=0.5, br', 'gzip'],
        ['*', 'gzip'],
        ['gzip;q=0', null],
        ['br', null],
      ] as const) {
        const { headers, text } = await ask({ Accept, 'Accept-Encoding': given });
        assert.equal(headers.get('Content-Encoding'), encoding, given);
        assert.equal(headers.get('Vary'), 'Origin, Accept, Accept-Encoding');
        assert.equal(text, plain.text);
      }
    }
    const refused = await ask({ Accept: 'text/csv', 'Accept-Encoding': 'gzip' }, { after: 'x-1' });
    assert.equal(refused.headers.get('Content-Encoding'), null);
    assert.equal(JSON.parse(refused.text).code, 'invalid-cursor');

    async function ask(
      headers: Record<string, string>,
      query: Record<string, string> = {},
    ): Promise<{ headers: Headers; text: string }> {
      const response = await fetch(eventsUrl(node.url, 'zip', query), { headers });
      return { headers: response.headers, text: await response.text() };
    }
  });

  it('leaves out what was kept out of the history', async () => {
    await emit(node.url, 'kept', drafts(0, 2, { options: { persist: false } }));
    await emit(node.url, 'kept', drafts(2, 2));
    const { lines } = await exported('kept');
    assert.deepEqual(
      lines.map(({ event }) => event.payload.n),
      [2, 3],
    );
  });

  it('ends at what was the head when it began, while events go on coming', async () => {
    await emit(node.url, 'busy', drafts(0, 100));
    const exporting = exported('busy');
    const emitting = Array.from({ length: 20 }, (_, i) => {
      return emit(node.url, 'busy', drafts(100 + 10 * i, 10));
    });
    const { lines } = await exporting;
    await Promise.all(emitting);
    const numbers = lines.map(({ event }) => event.payload.n);
    assert.ok(numbers.length >= 100 && numbers.length <= 300);
    assert.deepEqual(
      numbers.slice(0, 100),
      Array.from({ length: 100 }, (_, n) => n),
    );
  });

  it('ends at once where there is nothing', async () => {
    await emit(node.url, 'empty', drafts(0, 3));
    assert.deepEqual((await exported('empty', { from: 'now' })).lines, []);
    assert.deepEqual((await exported('fresh')).lines, []);
  });

  it('says first what is lost', async () => {
    await emit(node.url, 'lost', drafts(0, 2));
    const { lines } = await exported('lost', { after: 'aaaaaaaa-7' });
    const { epoch } = await node.service.log.bounds('lost');
    assert.deepEqual(lines[0], {
      recovered: false,
      reason: 'other-epoch',
      first: `${epoch}-0`,
    });
    assert.equal(lines.length, 3);
  });
});
