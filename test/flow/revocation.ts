import { eventsUrl, request, Socket, sse } from '../support/client.js';
import { bearer } from '../support/identity.js';
import { until } from '../until.js';

/** How each way of staying connected came to its end: with what, and after how long. */
export interface Ending {
  readonly way: string;
  readonly code: string | number;
  readonly ms: number;
}

/**
 * Opens a WebSocket, a stream of Server-Sent Events and a long poll, and gives what tells how they
 * end, once all of them are open.
 */
export async function stayConnected(
  url: string,
  workspace: string,
  credential: string,
): Promise<(sinceMs: number) => Promise<Ending[]>> {
  const headers = bearer(credential);
  const socket = await Socket.open(url, workspace, headers);
  await socket.ask({ op: 'subscribe' });

  let isStreaming = false;
  const streaming = (async () => {
    let code = 'none';
    for await (const { event, data } of sse(eventsUrl(url, workspace), { headers })) {
      isStreaming ||= event === 'caught-up';
      code = event === 'error' ? (data.code as string) : code;
    }
    return { way: 'Server-Sent Events', code, at: performance.now() };
  })();
  await until('the stream is open', () => isStreaming);

  const { body } = await request(eventsUrl(url, workspace, { from: 'now' }), { headers });
  const after = body.cursor as string;
  const polling = request(eventsUrl(url, workspace, { after, wait: '30' }), { headers }).then(
    (reply) => ({
      way: 'long poll',
      code: reply.status === 200 ? 'none' : (reply.body.code as string),
      at: performance.now(),
    }),
  );
  const closing = until('it is closed', () => socket.closed, 30_000).then((code) => {
    return { way: 'WebSocket', code, at: performance.now() };
  });
  return async (sinceMs) => {
    const ends = await Promise.all([closing, streaming, polling]);
    return ends.map(({ way, code, at }) => ({ way, code, ms: Math.round(at - sinceMs) }));
  };
}
