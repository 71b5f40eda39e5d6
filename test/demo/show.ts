import type { Event } from '../../src/event.js';
import { emit, eventsUrl, Socket, sse, type Reply } from '../support/client.js';
import { ask, type Positioned } from './client.js';
import type { Dataset } from './data.js';
import { bar, say } from './print.js';

/** Rows that are shown of what a search finds. */
const ROWS = 3;
const SPEED = 10_000;

/** Searches by a query string, by JSON, and by words. */
export async function search(url: string, github: string, flights: string): Promise<void> {
  const late = { 'payload.origin': 'ATL', 'payload.delay.gte': '60', limit: '1000' };
  await show(`GET ${eventsUrl('', flights, late)}`, ask(eventsUrl(url, flights, late)), flightRow);

  const path = `/v2/workspaces/${github}/search`;
  const json = { filter: { type: 'github.issues.opened' } };
  await show(`POST ${path} ${JSON.stringify(json)}`, ask(`${url}${path}`, { json }), githubRow);

  const words = { text: 'spelling err*', limit: '1000' };
  await show(`GET ${eventsUrl('', github, words)}`, ask(eventsUrl(url, github, words)), githubRow);
}

async function show(
  line: string,
  asked: Promise<Reply['body']>,
  row: (event: Event) => string,
): Promise<void> {
  const began = performance.now();
  const { events } = (await asked) as { events: readonly Positioned[] };
  const ms = performance.now() - began;
  say(line);
  for (const { event } of events.slice(0, ROWS)) {
    say(`  ${row(event)}`);
  }
  say(`  ${events.length} found in ${ms.toFixed(1)} ms`);
}

function flightRow({ time, payload }: Event): string {
  const { origin, destination, delay } = payload as unknown as Flight;
  return `${time}  ${origin} → ${destination}  ${delay} min late`;
}

function githubRow({ id, type, payload }: Event): string {
  const { repository } = payload as { repository?: { full_name: string } };
  return `${id}  ${type}  ${repository?.full_name ?? ''}`;
}

interface Flight {
  readonly origin: string;
  readonly destination: string;
  readonly delay: number;
}

/** Subscribes on a WebSocket, emits over HTTP, and shows what arrives. */
export async function tail(url: string): Promise<void> {
  const workspace = 'demo';
  const socket = await Socket.open(url, workspace);
  const filter = { type: 'greeting.*' };
  const { subscription } = await socket.ask({ op: 'subscribe', filter });
  say(`subscribed to ${JSON.stringify(filter)} in the workspace ${workspace}`);
  for (const word of ['hello', 'hej', 'salut']) {
    const { body } = await emit(url, workspace, [{ type: 'greeting.sent', payload: { word } }]);
    const [{ id }] = body.results as [{ id: string }];
    const frame = await socket.until(`${id} arrives`, ({ event }) => event?.id === id);
    say(`emitted ${id}  →  ${String(subscription)} received “${frame.event.payload.word}”`);
  }
  await socket.close();
}

/** Has the flights of the first hours again, in the rhythm in which they left. */
export async function replay(
  url: string,
  { workspace, samples }: Dataset,
  seconds: number,
): Promise<void> {
  const begin = Date.parse(samples[0]!.time!);
  const spanMs = seconds * 1000 * SPEED;
  const query = {
    from: 'start',
    pace: String(SPEED),
    'time.lt': new Date(begin + spanMs).toISOString(),
  };
  const format = '  {clock} {bar} {left} flights left, {late} of them 15 min late or more';
  const total = { clock: samples[0]!.time, left: 0, late: 0 };
  const progress = bar(format, spanMs, total);
  const began = performance.now();
  for await (const { event: kind, data } of sse(eventsUrl(url, workspace, query))) {
    if (kind === 'caught-up') {
      break;
    }
    if (kind === 'message') {
      const { time, payload } = data.event as Event;
      total.clock = time;
      total.left++;
      total.late += Number((payload as unknown as Flight).delay >= 15);
      progress.update(Date.parse(time) - begin, total);
    }
  }
  const took = (performance.now() - began) / 1000;
  progress.stop();
  say(`GET ${eventsUrl('', workspace, query)}`);
  const hours = (spanMs / 3_600_000).toFixed(1);
  say(`  ${total.left} flights of ${hours} hours, ${total.late} of them 15 min late or more,`);
  say(`  as they left, but ${SPEED} times as fast: in ${took.toFixed(1)} s`);
}
