import assert from 'node:assert/strict';
import { eventsUrl, request, type Reply } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';

const LIMIT = 2000;

describe('A body', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode({ bodyBytesMax: LIMIT });
  });
  after(async () => {
    await node.stop();
  });

  const post = (body: string, type: string): Promise<Reply> => {
    const headers = { 'Content-Type': type };
    return request(eventsUrl(node.url, 'w'), { method: 'POST', headers, body });
  };

  it('is known by its media type, however that is written', async () => {
    const draft = '{"type":"a","payload":{}}';
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'Application/JSON;charset="UTF-8"',
      'application/json;version=1',
      'application/x-ndjson; charset=utf-8',
    ]) {
      assert.equal((await post(draft, type)).status, 201, type);
    }
    for (const type of ['application/jsonp', 'text/json', 'json', 'application/json, text/plain']) {
      assert.equal((await post(draft, type)).status, 415, type);
    }
  });

  it('is as large as allowed, to the byte', async () => {
    const frame = '{"type":"a","payload":{"text":""}}';
    const body = (bytes: number): string =>
      frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
    assert.equal((await post(body(LIMIT), 'application/json')).status, 201);
    const { status, body: problem } = await post(body(LIMIT + 1), 'application/json');
    assert.deepEqual([status, problem.code], [413, 'too-large']);
  });

  it('is text, of which no character is lost', async () => {
    const text = 'aé中😀\u0000\u2028\u007f';
    const draft = { id: 'text', type: 'a', payload: { text } };
    await post(JSON.stringify(draft), 'application/json');
    const { body } = await request(eventsUrl(node.url, 'w', { from: 'start', id: 'text' }));
    assert.equal(body.events[0].event.payload.text, text);
  });
});
