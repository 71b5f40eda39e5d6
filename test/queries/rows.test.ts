import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import type { JsonObject, Recorded } from '../../src/event.js';
import { RowWriter, type RowFormat } from '../../src/queries/rows.js';
import { recorded } from '../projections/recorded.js';

const EPOCH = 'a1b2c3d4';
const CSV: RowFormat = { kind: 'csv', fields: ['id', 'payload.a'], escapeFormulas: true };
const LINES: RowFormat = { ...CSV, kind: 'lines' };

const of = (...payloads: JsonObject[]): Recorded[] =>
  payloads.map((payload, position) => recorded(position, { payload }));

describe('Rows', () => {
  let writer: RowWriter;

  beforeEach(() => {
    writer = new RowWriter();
  });
  afterEach(() => writer.close());

  const rows = async (format: RowFormat, records: readonly Recorded[]): Promise<string> =>
    Buffer.from(await writer.rows(format, EPOCH, records)).toString();

  it('have what was chosen of each event, in order', async () => {
    const records = of({ a: 'ü' }, { b: 1 }, { a: [1, '=2'] });
    const csv = [`${EPOCH}-0,e0,ü`, `${EPOCH}-1,e1,`, `${EPOCH}-2,e2,"[1,""=2""]"`, ''];
    assert.equal(await rows(CSV, records), csv.join('\r\n'));
    const lines = [
      `{"position":"${EPOCH}-0","fields":{"id":"e0","payload.a":"ü"}}`,
      `{"position":"${EPOCH}-1","fields":{"id":"e1"}}`,
      `{"position":"${EPOCH}-2","fields":{"id":"e2","payload.a":[1,"=2"]}}`,
      '',
    ];
    assert.equal(await rows(LINES, records), lines.join('\n'));
    assert.deepEqual([await rows(CSV, []), await rows(LINES, [])], ['', '']);
  });

  it('come in the order in which they were asked for, each in its own format', async () => {
    const asked = Array.from({ length: 20 }, (_, n) => {
      return rows(n % 2 === 0 ? CSV : LINES, of({ a: n }));
    });
    for (const [n, text] of (await Promise.all(asked)).entries()) {
      assert.ok(n % 2 === 0 ? text.endsWith(`,${n}\r\n`) : text.endsWith(`:${n}}}\n`), text);
    }
  });

  it('are spelled by another thread, when one has died', async () => {
    const started = once(process, 'worker') as Promise<[Worker]>;
    await rows(CSV, of({ a: 1 }));
    const [thread] = await started;
    const failing = rows(CSV, of({ a: 2 }));
    await Promise.all([assert.rejects(failing, { code: 'unavailable' }), thread.terminate()]);
    assert.equal(await rows(CSV, of({ a: 3 })), `${EPOCH}-0,e0,3\r\n`);
  });
});
