import assert from 'node:assert/strict';
import { emit } from '../support/client.js';
import { cellsOf, resumedRows, type Wanted } from '../support/export.js';
import { startNode, type TestNode } from '../support/node.js';

const EVENTS = 20_000;
const BATCH_EVENTS = 5_000;

/** In bytes: before the first whole row, in it, and later, nowhere in particular. */
const CUTS = [1, 20, 500, 70_001, 1, 300_000];

/** What has to be quoted, and what must not fall apart where a connection does. */
const NOTES = ['plain', 'é, "zwölf"', 'two\r\nlines', '', '=1+1', 'a,b\n"'];

const payloadOf = (n: number): { n: number; note: string } => ({ n, note: NOTES[n % 6]! });

async function gathered(rows: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const row of rows) {
    all.push(row);
  }
  return all;
}

describe('An export that breaks off time and again', function () {
  this.timeout(60_000);
  let node: TestNode;
  let epoch: string;

  before(async () => {
    node = await startNode();
    for (let first = 0; first < EVENTS; first += BATCH_EVENTS) {
      const drafts = Array.from({ length: BATCH_EVENTS }, (_, index) => {
        return { type: 'n', payload: payloadOf(first + index) };
      });
      await emit(node.url, 'w', drafts);
    }
    ({ epoch } = await node.service.log.bounds('w'));
  });
  after(async () => {
    await node.stop();
  });

  for (const isGzipped of [false, true]) {
    const how = isGzipped ? ', gzipped' : '';

    it(`is whole as NDJSON${how}: each event once, in order, as it was emitted`, async () => {
      const wanted: Wanted = { format: 'lines', isGzipped };
      const lines = await gathered(resumedRows(node.url, 'w', wanted, CUTS));
      assert.equal(lines.length, EVENTS);
      for (const [n, line] of lines.entries()) {
        const { position, event } = JSON.parse(line);
        assert.deepEqual([position, event.payload], [`${epoch}-${n}`, payloadOf(n)]);
      }
      assert.equal(
        lines.join(''),
        (await gathered(resumedRows(node.url, 'w', wanted, []))).join(''),
      );
    });

    it(`is whole as CSV${how}: each event once, in order, as it was emitted`, async () => {
      const query = { escapeFormulas: 'false' };
      const wanted: Wanted = { format: 'csv', isGzipped, fields: ['payload'], query };
      const [header, ...rows] = await gathered(resumedRows(node.url, 'w', wanted, CUTS));
      assert.equal(header, 'position,payload\r\n');
      assert.equal(rows.length, EVENTS);
      for (const [n, row] of rows.entries()) {
        const [position, payload] = cellsOf(row);
        assert.deepEqual([position, JSON.parse(payload!)], [`${epoch}-${n}`, payloadOf(n)]);
      }
      const unbroken = await gathered(resumedRows(node.url, 'w', wanted, []));
      assert.equal(header + rows.join(''), unbroken.join(''));
    });
  }

  it('is whole as CSV also where rows have line breaks, and has each text as it is', async () => {
    const query = { escapeFormulas: 'false' };
    const wanted: Wanted = { format: 'csv', isGzipped: false, fields: ['payload.note'], query };
    const [, ...rows] = await gathered(resumedRows(node.url, 'w', wanted, CUTS));
    assert.equal(rows.length, EVENTS);
    for (const [n, row] of rows.entries()) {
      assert.deepEqual(cellsOf(row), [`${epoch}-${n}`, payloadOf(n).note]);
    }
  });
});
