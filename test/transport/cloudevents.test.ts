import assert from 'node:assert/strict';
import { CloudEvent, HTTP, type Message } from 'cloudevents';
import { eventsUrl, request } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';

const EVENT = {
  id: 'ce-1',
  source: '/shop',
  type: 'order.paid',
  subject: 'o-7',
  time: '2001-01-15T08:30:00.123456Z',
  datacontenttype: 'application/json',
  data: { total: 12, note: '' },
  tenantx: 'blue',
};

describe('CloudEvents', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  async function send(workspace: string, { headers, body }: Message): Promise<number> {
    const { status } = await request(eventsUrl(node.url, workspace), {
      method: 'POST',
      headers: headers as Record<string, string>,
      body: body as string,
    });
    return status;
  }

  async function recorded(workspace: string): Promise<Record<string, unknown>[]> {
    const { body } = await request(eventsUrl(node.url, workspace, { from: 'start' }));
    return (body.events as { event: Record<string, unknown> }[]).map(({ event }) => event);
  }

  /** What is recorded of the event above. */
  function assertRecorded({ id, type, payload }: Record<string, unknown>): void {
    assert.deepEqual(
      { id, type, payload },
      {
        id: 'ce-1',
        type: 'order.paid',
        payload: {
          total: 12,
          note: '',
          cloudevent: { source: '/shop', subject: 'o-7', tenantx: 'blue' },
        },
      },
    );
  }

  for (const [mode, message] of [
    ['headers', (event: CloudEvent<unknown>) => HTTP.binary(event)],
    ['one document', (event: CloudEvent<unknown>) => HTTP.structured(event)],
  ] as const) {
    it(`of the official client are taken in ${mode}`, async () => {
      const workspace = mode.replace(' ', '-');
      assert.equal(await send(workspace, message(new CloudEvent(EVENT))), 201);
      assertRecorded((await recorded(workspace))[0]!);
    });
  }

  it('are taken in batches, each for itself', async () => {
    const headers = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' };
    const batch = [EVENT, { ...EVENT, id: 'ce-2', type: 'no type' }, { ...EVENT, id: 'ce-3' }];
    const events = batch.map((event) => ({ ...event, specversion: '1.0' }));
    assert.equal(await send('batch', { headers, body: JSON.stringify(events) }), 207);
    const [first, ...others] = await recorded('batch');
    assertRecorded(first!);
    assert.deepEqual(
      others.map(({ id }) => id),
      ['ce-3'],
    );
  });

  it('keep their time to the last digit', async () => {
    const headers = { 'content-type': 'application/cloudevents+json' };
    await send('time', { headers, body: JSON.stringify({ ...EVENT, specversion: '1.0' }) });
    await send('time', {
      headers: {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': 'ce-2',
        'ce-source': '/s',
        'ce-type': 'a',
        'ce-time': EVENT.time,
      },
      body: '{}',
    });
    assert.deepEqual(
      (await recorded('time')).map(({ time }) => time),
      [EVENT.time, EVENT.time],
    );
  });

  it('have attributes beyond ASCII, which headers hold as escapes', async () => {
    const headers = {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'ce-1',
      'ce-source': '/s',
      'ce-type': 'a',
      'ce-subject': 'Euro%20%E2%82%AC',
    };
    await send('escapes', { headers, body: '{}' });
    const [event] = await recorded('escapes');
    assert.deepEqual(event?.payload, { cloudevent: { source: '/s', subject: 'Euro €' } });
  });

  it('are recorded once, however often they come', async () => {
    const message = HTTP.binary(new CloudEvent(EVENT));
    assert.deepEqual([await send('twice', message), await send('twice', message)], [201, 201]);
    assert.equal((await recorded('twice')).length, 1);
  });
});
