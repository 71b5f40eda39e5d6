import { ask } from './client.js';
import { say } from './print.js';

/** What a request for a table has, beside the metrics. */
interface Asked {
  readonly groupBy: readonly (string | { field: string; interval: string })[];
  readonly [more: string]: unknown;
}

interface DelayRow {
  readonly group: Readonly<Record<string, string>>;
  readonly flights: number;
  readonly delay: number;
}

const metrics = { flights: { count: true }, delay: { avg: 'payload.delay' } };

/** The airports with the longest delays, and the months, as the service works them out. */
export async function tables(url: string, workspace: string): Promise<void> {
  const worst = { orderBy: { delay: 'desc' }, limit: 10 };
  await show(url, workspace, { groupBy: ['payload.origin'], metrics, ...worst }, 'origin');
  await show(url, workspace, { groupBy: [{ field: 'time', interval: '1M' }], metrics }, 'month');
}

async function show(url: string, workspace: string, json: Asked, name: string): Promise<void> {
  const path = `/v2/workspaces/${workspace}/search`;
  const began = performance.now();
  const { rows } = (await ask(`${url}${path}`, { json })) as { rows: readonly DelayRow[] };
  const ms = performance.now() - began;
  say(`POST ${path} ${JSON.stringify(json)}`);
  say(line(name, 'flights', 'mean delay'));
  for (const { group, flights, delay } of rows) {
    const [key = ''] = Object.values(group);
    // A month begins with its first day, which says nothing more.
    const told = name === 'month' ? key.slice(0, 'YYYY-MM'.length) : key;
    say(line(told, String(flights), delay.toFixed(1) + ' min'));
  }
  say(`  in ${ms.toFixed(1)} ms`);
}

function line(key: string, flights: string, delay: string): string {
  return `  ${key.padEnd(7)} ${flights.padStart(7)} ${delay.padStart(11)}`;
}
