import { eventsUrl, request, Socket, sse } from '../support/client.js';

/** What a subscriber is told first, whether or not it can go on where it was. */
interface Answer {
  readonly recovered: boolean;
  readonly reason?: string;
  readonly cursor: string;
}

/** What each transport answers to who comes back with a cursor. */
export async function answersAfter(
  url: string,
  workspace: string,
  cursor: string,
): Promise<Answer[]> {
  const polled = await request(eventsUrl(url, workspace, { after: cursor, limit: '1' }));
  const answers: Answer[] = [polled.body];
  const headers = { 'Last-Event-ID': cursor };
  for await (const { data } of sse(eventsUrl(url, workspace), { headers })) {
    answers.push(data as Answer);
    break;
  }
  const socket = await Socket.open(url, workspace);
  try {
    const subscribed = await socket.ask({ op: 'subscribe', from: { position: cursor } });
    answers.push(subscribed as unknown as Answer);
  } finally {
    await socket.close();
  }
  return answers;
}
