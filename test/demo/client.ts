import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Event } from '../../src/event.js';
import { eventsUrl, request, type Reply } from '../support/client.js';
import type { Sample } from './data.js';

export interface Positioned {
  readonly position: string;
  readonly event: Event;
}

/** In one stream: it is answered at its end, so that is how often the progress moves. */
const STREAM_EVENTS = 1000;
const PAGE_EVENTS = 1000;
const WAIT_SECONDS = 60;

/**
 * Emits events as NDJSON streams and waits until the last of them can be searched.
 *
 * @param taken Told after each stream how many more events the log holds.
 * @throws Error when the service refuses any of them.
 */
export async function load(
  url: string,
  workspace: string,
  samples: readonly Sample[],
  taken: (count: number) => void,
): Promise<void> {
  let last = '';
  for (let begin = 0; begin < samples.length; begin += STREAM_EVENTS) {
    const some = samples.slice(begin, begin + STREAM_EVENTS);
    const { accepted, errors, cursor } = await ask(eventsUrl(url, workspace), {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: some.map((sample) => `${JSON.stringify(sample)}\n`).join(''),
    });
    if (accepted !== some.length) {
      throw new Error(`The service refused events: ${JSON.stringify(errors)}`);
    }
    taken(some.length);
    last = cursor as string;
  }
  const query = { waitFor: last, wait: String(WAIT_SECONDS), limit: '1' };
  await ask(eventsUrl(url, workspace, query));
}

/** What the log holds, in its order. */
export async function* exported(url: string, workspace: string): AsyncGenerator<Positioned> {
  const { body } = await fetch(eventsUrl(url, workspace), {
    headers: { Accept: 'application/x-ndjson' },
  });
  const lines = createInterface({ input: Readable.fromWeb(body!) });
  for await (const line of lines) {
    yield JSON.parse(line) as Positioned;
  }
}

/** What the history holds, newest first, page after page. */
export async function* searched(url: string, workspace: string): AsyncGenerator<Positioned> {
  let next: string | undefined;
  do {
    const query = { limit: String(PAGE_EVENTS), ...(next !== undefined && { next }) };
    const page = await ask(eventsUrl(url, workspace, query));
    yield* page.events as Positioned[];
    next = page.next as string | undefined;
  } while (next !== undefined);
}

/** As `request`, but an error is thrown, as the service tells it. */
export async function ask(
  url: string,
  init: Parameters<typeof request>[1] = {},
): Promise<Reply['body']> {
  const { status, body } = await request(url, init);
  if (status >= 400) {
    throw new Error(`${url} answered ${status}: ${JSON.stringify(body)}`);
  }
  return body;
}
