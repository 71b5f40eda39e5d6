import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { WebSocket, WebSocketServer } from 'ws';

/**
 * The baselines of delivery. Bare: a `ws` server that sends each message to every other client as
 * it comes; it keeps nothing, checks nothing and knows no filter. With the argument `durable` it
 * first commits each message, in a thread of its own and those that come meanwhile together: the
 * least that a server does which sends nothing that a crash could take back.
 */
interface Message {
  readonly from: WebSocket;
  readonly data: Buffer;
}

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
const take = process.argv[2] === 'durable' ? afterCommit() : broadcast;
server.on('connection', (from) => {
  from.on('message', (data: Buffer) => {
    take({ from, data });
  });
});
server.on('listening', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`listens on http://127.0.0.1:${String(port)},\n`);
});

function broadcast({ from, data }: Message): void {
  for (const client of server.clients) {
    if (client !== from && client.readyState === WebSocket.OPEN) {
      client.send(data, { binary: false });
    }
  }
}

function afterCommit(): (message: Message) => void {
  const committer = new Worker(new URL('./committer.js', import.meta.url));
  let waiting: Message[] = [];
  let committing: Message[] = [];
  const commit = (): void => {
    committing = waiting;
    waiting = [];
    committer.postMessage(committing.map(({ data }) => data));
  };
  committer.on('message', () => {
    committing.forEach(broadcast);
    committing = [];
    if (waiting.length > 0) {
      commit();
    }
  });
  process.once('SIGTERM', () => {
    committer.once('exit', () => process.exit());
    committer.postMessage('end');
  });
  return (message) => {
    waiting.push(message);
    if (committing.length === 0) {
      commit();
    }
  };
}
