import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true });

/**
 * Posts a body over a connection that is kept, with as little around it as goes.
 *
 * @throws Error with the answer, where that is none of success.
 */
export function post(
  url: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: 'POST', agent, headers: { 'Content-Type': 'application/json', ...headers } },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (answer.statusCode! >= 300) {
            reject(new Error(`${url} answered ${String(answer.statusCode)}: ${text}`));
          } else {
            resolve(JSON.parse(text));
          }
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
