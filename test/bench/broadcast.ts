import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

/**
 * The baseline of delivery: a `ws` server that sends each message to every other client as it
 * comes. It keeps nothing, checks nothing and knows no filter.
 */
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
server.on('connection', (from) => {
  from.on('message', (data: Buffer) => {
    for (const client of server.clients) {
      if (client !== from && client.readyState === WebSocket.OPEN) {
        client.send(data, { binary: false });
      }
    }
  });
});
server.on('listening', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`listens on http://127.0.0.1:${String(port)},\n`);
});
