import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Hands every request on to a server, and does nothing else: what a hop costs by itself. */
const { hostname, port } = new URL(JSON.parse(process.argv[2] ?? '') as string);
const agent = new Agent({ keepAlive: true });

const proxy = createServer((asked, answer) => {
  const { method, url: path, headers } = asked;
  const passed = request({ hostname, port, path, method, headers, agent }, (given) => {
    answer.writeHead(given.statusCode!, given.headers);
    given.pipe(answer);
  });
  asked.pipe(passed);
});
proxy.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${String((proxy.address() as AddressInfo).port)}\n`);
});
process.stdin.resume().once('end', () => {
  process.stdout.write('{}\n', () => process.exit());
});
