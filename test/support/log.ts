import assert from 'node:assert/strict';
import { eventsUrl, request } from './client.js';
import { faults, type Seen } from './sequence.js';
import { positionOf } from './tailer.js';

/** An event in the log, with what the tests look at. */
export interface Logged extends Seen {
  readonly cursor: string;
  readonly event: {
    readonly id: string;
    readonly type: string;
    readonly createdAt: string;
    // Any: each test has payloads of its own.
    readonly payload: any;
  };
}

/** An event as every transport gives it. */
interface Given {
  readonly position: string;
  readonly event: Logged['event'];
}

const PAGE = 1000;

/** All that the log of a workspace holds, exported and polled, which must come to the same. */
export async function readLog(url: string, workspace: string): Promise<Logged[]> {
  const exported = await exportAll(url, workspace);
  assert.deepEqual(faults(await pollAll(url, workspace), exported), []);
  return exported;
}

export async function exportAll(url: string, workspace: string): Promise<Logged[]> {
  const headers = { Accept: 'application/x-ndjson' };
  const { status, body } = await request(eventsUrl(url, workspace), { headers });
  assert.equal(status, 200, JSON.stringify(body));
  const lines = (body as string).split('\n').filter((line) => line !== '');
  return lines.map((line) => logged(JSON.parse(line) as Given));
}

async function pollAll(url: string, workspace: string): Promise<Logged[]> {
  const polled: Logged[] = [];
  let start: Record<string, string> = { from: 'start' };
  for (;;) {
    const address = eventsUrl(url, workspace, { ...start, limit: String(PAGE) });
    const { body } = await request(address);
    polled.push(...(body.events as Given[]).map(logged));
    if (body.caughtUp === true) {
      return polled;
    }
    start = { after: body.cursor };
  }
}

/** The newest that a search finds once a cursor is searchable, newest first. */
export async function searchNewest(
  url: string,
  workspace: string,
  waitFor: string,
  limit: number,
): Promise<Logged[]> {
  const query = { waitFor, wait: '60', limit: String(limit) };
  const { status, body } = await request(eventsUrl(url, workspace, query));
  assert.equal(status, 200, JSON.stringify(body));
  return (body.events as Given[]).map(logged);
}

/**
 * All that a search finds, newest first.
 *
 * @param waitFor The cursor up to which everything is to be searchable first.
 */
export async function searchAll(
  url: string,
  workspace: string,
  waitFor: string,
): Promise<Logged[]> {
  const found: Logged[] = [];
  let more: Record<string, string> = { waitFor, wait: '60' };
  for (;;) {
    const address = eventsUrl(url, workspace, { ...more, limit: String(PAGE) });
    const { status, body } = await request(address);
    assert.equal(status, 200, JSON.stringify(body));
    found.push(...(body.events as Given[]).map(logged));
    if (body.next === undefined) {
      return found;
    }
    more = { next: body.next };
  }
}

function logged({ position, event }: Given): Logged {
  return { cursor: position, position: positionOf(position), id: event.id, event };
}
