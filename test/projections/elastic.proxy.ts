import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { ELASTICSEARCH_URL } from '../stack/servers.js';

export interface Asked {
  /** Method and path, as `POST /_bulk`. */
  readonly what: string;
  readonly body: string;
  /** Resolves when it was answered, or who asked has gone. */
  readonly ended: Promise<unknown>;
}

export interface Told {
  readonly status: number;
  readonly body: unknown;
}

export interface Proxy {
  readonly url: string;
  /** All requests that came so far. */
  readonly asked: Asked[];
  /** Answers in place of Elasticsearch; what it does not answer goes on to the real one. */
  answer: (asked: Asked) => Told | 'silence' | undefined;
  readonly close: () => void;
}

/** Elasticsearch as it is when it is busy, small or unwell. */
export async function openProxy(): Promise<Proxy> {
  const proxy: Omit<Proxy, 'url' | 'close'> = { asked: [], answer: () => undefined };
  const server = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      const what = `${request.method!} ${request.url!.split('?')[0]!}`;
      const asked = { what, body, ended: once(response, 'close') };
      proxy.asked.push(asked);
      const answer = proxy.answer(asked);
      if (answer === 'silence') {
        return;
      }
      const { status, body: told } = answer ?? (await forward(request, body));
      response.writeHead(status, {
        'x-elastic-product': 'Elasticsearch',
        'content-type': 'application/json',
      });
      response.end(JSON.stringify(told));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(proxy, { url, close });
}

async function forward({ method, url, headers }: IncomingMessage, body: string): Promise<Told> {
  const response = await fetch(`${ELASTICSEARCH_URL}${url!}`, {
    method: method!,
    headers: {
      accept: headers.accept!,
      ...(body !== '' && { 'content-type': headers['content-type']! }),
    },
    ...(body !== '' && { body }),
  });
  return { status: response.status, body: await response.json() };
}
