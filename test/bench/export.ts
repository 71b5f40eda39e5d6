import assert from 'node:assert/strict';
import { cellsOf, exportText, resumedRows, type Wanted } from '../support/export.js';
import { spawnNode, temporaryFolder } from '../support/node.js';
import { load, WORKSPACE } from './analysis.load.js';
import { draft } from './analysis.queries.js';
import { rate, row } from './run.js';

/**
 * How fast the embedded node exports a long log and what memory it takes for that; and that what a
 * client puts together that was cut off in the middle is exact. Prints the table of the README.
 *
 * `npm run bench:export`, or with another size: `npm run bench:export -- 200000`.
 */
const EVENTS = Number(process.argv[2] ?? 1_000_000);
const GROWTH_MIB_MAX = 50;
const SAMPLE_MS = 100;
const MIB = 1024 * 1024;

const LINES: Wanted = { format: 'lines', isGzipped: false };
const CSV: Wanted = { format: 'csv', isGzipped: false, fields: ['type', 'time', 'payload'] };

const WAYS: Readonly<Record<string, Wanted>> = {
  NDJSON: LINES,
  'NDJSON, gzipped': { ...LINES, isGzipped: true },
  'CSV of three fields': CSV,
  'CSV of three fields, gzipped': { ...CSV, isGzipped: true },
};

async function residentMib(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / MIB;
}

interface Exported {
  readonly characters: number;
  readonly eventsPerSecond: number;
  /** By how much the node was larger at its largest than before. */
  readonly growthMib: number;
}

async function exported(url: string, wanted: Wanted): Promise<Exported> {
  const before = await residentMib(url);
  let largest = before;
  const sampling = setInterval(() => {
    void residentMib(url).then((now) => {
      largest = Math.max(largest, now);
    });
  }, SAMPLE_MS);
  const began = performance.now();
  let characters = 0;
  for await (const text of exportText(url, WORKSPACE, wanted)) {
    characters += text.length;
  }
  const seconds = (performance.now() - began) / 1000;
  clearInterval(sampling);
  return { characters, eventsPerSecond: EVENTS / seconds, growthMib: largest - before };
}

/** @throws AssertionError unless each event is there once, in order, as it was emitted. */
async function assertExact(url: string, wanted: Wanted, cutAfterBytes: number): Promise<void> {
  let n = wanted.format === 'csv' ? -1 : 0;
  let epoch = '';
  for await (const line of resumedRows(url, WORKSPACE, wanted, [cutAfterBytes])) {
    if (n >= 0) {
      const { position, found } = wanted.format === 'csv' ? ofRow(line) : ofLine(line);
      epoch ||= position.split('-')[0]!;
      assert.equal(position, `${epoch}-${String(n)}`);
      assert.equal(JSON.stringify(found), JSON.stringify(draft(n)));
    }
    n++;
  }
  assert.equal(n, EVENTS);
}

interface Found {
  readonly position: string;
  readonly found: Record<string, unknown>;
}

function ofLine(line: string): Found {
  const { position, event } = JSON.parse(line);
  const { type, time, payload } = event;
  return { position, found: { type, time, payload } };
}

function ofRow(line: string): Found {
  const [position, type, time, payload] = cellsOf(line);
  return { position: position!, found: { type, time, payload: JSON.parse(payload!) } };
}

const folder = await temporaryFolder();
const node = await spawnNode({ DATA_DIR: folder.path });
try {
  await load(node.url, EVENTS);
  process.stderr.write(`${String(EVENTS)} events loaded\n`);
  // By then code is compiled, and the heap as large as it gets.
  for (const wanted of Object.values(WAYS)) {
    await exported(node.url, wanted);
  }
  row(
    `${EVENTS.toLocaleString('en')} events as`,
    'events',
    'growth of the node',
    'cut in the middle',
  );
  row(...Array<string>(4).fill('---'));
  for (const [name, wanted] of Object.entries(WAYS)) {
    const { characters, eventsPerSecond, growthMib } = await exported(node.url, wanted);
    assert.ok(growthMib < GROWTH_MIB_MAX, `${name}: the node grew by ${growthMib.toFixed(0)} MiB`);
    await assertExact(node.url, wanted, Math.floor(characters / 2));
    row(name, rate(eventsPerSecond), `${growthMib.toFixed(0)} MiB`, 'exact');
  }
} finally {
  await node.end();
  await folder.remove();
}
