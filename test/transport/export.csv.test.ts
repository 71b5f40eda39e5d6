import assert from 'node:assert/strict';
import { emit, eventsUrl, request, type Reply } from '../support/client.js';
import { cellsOf, Rows } from '../support/export.js';
import { startNode, type TestNode } from '../support/node.js';

const CSV = { Accept: 'text/csv' };

describe('An export as CSV', () => {
  let node: TestNode;
  let made = 0;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  /** A workspace with an event of each payload. */
  async function workspaceOf(...payloads: readonly object[]): Promise<string> {
    const workspace = `w${made++}`;
    await emit(
      node.url,
      workspace,
      payloads.map((payload, n) => ({ id: `e${n}`, type: 'n', payload })),
      { 'X-User-Id': 'ada' },
    );
    return workspace;
  }

  const ask = (workspace: string, parameters = ''): Promise<Reply> =>
    request(`${eventsUrl(node.url, workspace)}?${parameters}`, { headers: CSV });

  /** The cells behind the position, row by row. */
  async function cells(workspace: string, parameters: string): Promise<(string | undefined)[][]> {
    const { status, body } = await ask(workspace, parameters);
    assert.equal(status, 200, body.detail as string);
    return [...new Rows('csv').in(body as string)].map((row) => cellsOf(row).slice(1));
  }

  it('has a row for each event, with its position and what most tables want', async () => {
    const workspace = await workspaceOf({ n: 1, tags: ['a', 'b'] }, {});
    const { headers, body } = await ask(workspace);
    assert.equal(headers.get('Content-Type'), 'text/csv; charset=utf-8; header=present');
    const [header, ...rows] = [...new Rows('csv').in(body as string)];
    assert.equal(header, 'position,id,type,time,createdAt,source.userId,payload\r\n');
    const { epoch } = await node.service.log.bounds(workspace);
    const { body: page } = await request(eventsUrl(node.url, workspace, { from: 'start' }));
    const events = page.events as readonly { event: Record<string, string> }[];
    const found = events.map(({ event }, n) => {
      const { id, type, time, createdAt, payload } = event;
      return [`${epoch}-${n}`, id, type, time, createdAt, 'ada', JSON.stringify(payload)];
    });
    assert.deepEqual(rows.map(cellsOf), found);
  });

  it('has the chosen fields in their order, whatever stands there', async () => {
    const workspace = await workspaceOf(
      { a: 'text', b: 1.5 },
      { a: true, b: false },
      { a: ['x', 2, true], b: ['one'] },
      { a: { c: [null] }, b: [] },
      { a: '', b: null },
      { a: 'say "no", or\r\nnot', b: ' ' },
      { a: [{ c: 1 }, { c: 'two' }], b: 1e21 },
    );
    assert.deepEqual(await cells(workspace, 'fields=payload.b&fields=payload.a&header=false'), [
      ['1.5', 'text'],
      ['false', 'true'],
      ['one', '["x",2,true]'],
      [undefined, '{"c":[null]}'],
      [undefined, ''],
      [' ', 'say "no", or\r\nnot'],
      ['1e+21', '[{"c":1},{"c":"two"}]'],
    ]);
  });

  it('names its columns first, if it is not told to leave that out', async () => {
    const workspace = await workspaceOf({ a: 1 });
    const { epoch } = await node.service.log.bounds(workspace);
    const fields = 'fields=payload.a&fields=payload.with%2Ccomma';
    const row = `${epoch}-0,1,\r\n`;
    assert.equal(
      (await ask(workspace, fields)).body,
      `position,payload.a,"payload.with,comma"\r\n${row}`,
    );
    const { headers, body } = await ask(workspace, `${fields}&header=false`);
    assert.equal(headers.get('Content-Type'), 'text/csv; charset=utf-8; header=absent');
    assert.equal(body, row);
    assert.equal((await ask('empty', fields)).body, 'position,payload.a,"payload.with,comma"\r\n');
    assert.equal((await ask('empty', `${fields}&header=false`)).body, '');
  });

  it('lets no text run in a spreadsheet, if it is not told to leave all as it is', async () => {
    const texts = ['=1+1', '+1', '-1', '@a', '\tb', '\rc', '＝1', "'d", 'e=f', '-'];
    const workspace = await workspaceOf(...texts.map((a) => ({ a })), { a: -1 }, { a: ['=1'] });
    const escaped = texts.map((text) => (/^['e]/.test(text) ? text : `'${text}`));
    const field = 'header=false&fields=payload.a';
    const flat = async (parameters: string): Promise<unknown> =>
      (await cells(workspace, parameters)).flat();
    assert.deepEqual(await flat(field), [...escaped, '-1', "'=1"]);
    assert.deepEqual(await flat(`${field}&escapeFormulas=false`), [...texts, '-1', '=1']);
  });

  it('has what matches, from where it is asked for', async () => {
    const workspace = await workspaceOf({ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 });
    const { epoch } = await node.service.log.bounds(workspace);
    const parameters = `fields=payload.a&header=false&payload.a.ne=3&after=${epoch}-0`;
    assert.deepEqual(await cells(workspace, parameters), [['2'], ['4']]);
    const latest = 'fields=payload.a&header=false&from=last:1';
    assert.deepEqual(await cells(workspace, latest), [['4']]);
  });

  it('is refused with fields that there are not, and parameters that are not for it', async () => {
    for (const [parameters, path] of [
      ['fields=payloads.a', 'fields[0]'],
      ['fields=', 'fields[0]'],
      ['fields=id&fields=position', 'fields[1]'],
      ['fields=id&fields=type&fields=id', 'fields[2]'],
      ['header=yes', 'header'],
      ['escapeFormulas=0', 'escapeFormulas'],
      ['limit=3', 'limit'],
      ['pace=2', 'pace'],
    ] as const) {
      const { status, body } = await ask('w', parameters);
      assert.deepEqual([status, body.code], [400, 'invalid-request'], parameters);
      assert.deepEqual([body.errors.length, body.errors[0].path], [1, path]);
    }
    const lines = { Accept: 'application/x-ndjson' };
    const other = await request(eventsUrl(node.url, 'w', { header: 'false' }), { headers: lines });
    assert.deepEqual([other.status, other.body.errors[0].path], [400, 'header']);
  });

  it('is refused where events are lost, and says where to go on', async () => {
    const workspace = await workspaceOf({ a: 1 }, { a: 2 });
    const { epoch } = await node.service.log.bounds(workspace);
    for (const [after, reason, next] of [
      ['aaaaaaaa-7', 'other-epoch', `${epoch}-start`],
      [`${epoch}-9`, 'ahead', `${epoch}-1`],
    ] as const) {
      const { status, body } = await ask(workspace, `after=${after}`);
      assert.deepEqual([status, body.code], [400, 'invalid-cursor']);
      assert.ok(String(body.detail).includes(reason));
      const fault = { path: 'after', message: `must be ${next} to have what there is` };
      assert.deepEqual(body.errors, [fault]);
      const { body: rest } = await ask(workspace, `header=false&fields=id&after=${next}`);
      assert.equal(rest, next.endsWith('1') ? '' : `${epoch}-0,e0\r\n${epoch}-1,e1\r\n`);
    }
  });
});
