import { eventsUrl, request, Socket, sse } from '../support/client.js';
import { bearer } from '../support/identity.js';

/** What one caller gets of the events of a workspace in one way of reading: their ids, in order. */
export type Reading = (url: string, workspace: string, credential: string) => Promise<string[]>;

interface Positioned {
  readonly event: { readonly id: string };
}

const idsOf = (events: readonly Positioned[]): string[] => events.map(({ event }) => event.id);

/** @throws Error with the code, where the caller is refused. */
async function ask(
  url: string,
  credential: string,
  json?: unknown,
  accept = 'application/json',
): Promise<any> {
  const headers = { ...bearer(credential), Accept: accept };
  const { status, body } = await request(url, { headers, ...(json !== undefined && { json }) });
  if (status !== 200) {
    throw new Error(body.code as string);
  }
  return body as unknown;
}

const search: Reading = async (url, workspace, credential) => {
  const query = { order: 'oldest', limit: '30' };
  const found: string[] = [];
  let next: string | undefined;
  do {
    const page = { ...query, ...(next !== undefined && { next }) };
    const body = await ask(eventsUrl(url, workspace, page), credential);
    found.push(...idsOf(body.events as Positioned[]));
    ({ next } = body as { next?: string });
  } while (next !== undefined);
  return found;
};

const searchBody: Reading = async (url, workspace, credential) => {
  const json = { filter: {}, order: 'oldest', limit: 1000 };
  const body = await ask(`${url}/v2/workspaces/${workspace}/search`, credential, json);
  return idsOf(body.events as Positioned[]);
};

const byId: Reading = async (url, workspace, credential) => {
  // The ids are known to everybody here: that is what makes it worth trying them.
  const all = Array.from({ length: EVENTS }, (_, n) => `e${n}`);
  const found = await Promise.all(
    all.map(async (id) => {
      const headers = bearer(credential);
      const { status, body } = await request(`${eventsUrl(url, workspace)}/${id}`, { headers });
      if (status === 403) {
        throw new Error(body.code as string);
      }
      return status === 200 ? [body.event.id as string] : [];
    }),
  );
  return found.flat();
};

const poll: Reading = async (url, workspace, credential) => {
  const query = { from: 'start', limit: '1000' };
  return idsOf((await ask(eventsUrl(url, workspace, query), credential)).events as Positioned[]);
};

const exported: Reading = async (url, workspace, credential) => {
  const accept = 'application/x-ndjson';
  const body = await ask(eventsUrl(url, workspace), credential, undefined, accept);
  const lines = (body as string).split('\n').filter((line) => line !== '');
  return idsOf(lines.map((line) => JSON.parse(line) as Positioned));
};

const streamed: Reading = async (url, workspace, credential) => {
  const found: string[] = [];
  const headers = bearer(credential);
  try {
    for await (const { event, data } of sse(eventsUrl(url, workspace, { from: 'start' }), {
      headers,
    })) {
      if (event === 'caught-up') {
        break;
      }
      if (event === 'message') {
        found.push((data as Positioned).event.id);
      }
    }
  } catch (error) {
    throw codeIn(error);
  }
  return found;
};

const socket: Reading = async (url, workspace, credential) => {
  const opened = await Socket.open(url, workspace, bearer(credential)).catch((error: unknown) => {
    // The library tells of the status alone.
    throw new Error((error as Error).message.endsWith(' 403') ? 'forbidden' : String(error));
  });
  try {
    const { op, code, subscription } = await opened.ask({ op: 'subscribe', from: 'start' });
    if (op === 'error') {
      throw new Error(code as string);
    }
    await opened.until('it has caught up', (frame) => frame.op === 'caughtUp');
    return idsOf(opened.events(subscription as string) as unknown as Positioned[]);
  } finally {
    await opened.close();
  }
};

/** Grouped by the correlation id, which here is the id: so the groups are the events. */
const aggregated: Reading = async (url, workspace, credential) => {
  const json = { groupBy: ['source.correlationId'], metrics: { n: { count: true } }, limit: 1000 };
  const { rows } = (await ask(`${url}/v2/workspaces/${workspace}/search`, credential, json)) as {
    rows: { group: Record<string, string> }[];
  };
  return rows.map(({ group }) => group['source.correlationId']!);
};

function codeIn(error: unknown): Error {
  const { message } = error as Error;
  const code = /"code":"([\w-]+)"/.exec(message)?.[1];
  return new Error(code ?? message);
}

/** How many events there are, with the ids `e0`, `e1` and so on. */
export const EVENTS = 60;

export const READINGS: Readonly<Record<string, Reading>> = {
  search,
  'search with a body': searchBody,
  'by id': byId,
  'long polling': poll,
  export: exported,
  'Server-Sent Events': streamed,
  'a WebSocket': socket,
  aggregation: aggregated,
};
