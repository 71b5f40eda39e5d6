import { connect } from 'node:net';
import { attack, attacking } from './flood.attack.js';
import { RawSocket, textFrame } from './frames.js';

/**
 * A client that emits far more than its quota, and heeds no refusal: over WebSockets in frames of
 * an event each, so many a second as long as the sockets take them, and over HTTP connections that
 * are kept, as fast as the answers come.
 */
interface Asked {
  readonly url: string;
  readonly workspace: string;
  readonly credential: string;
  readonly rate: number;
}

/** Events a second. */
export interface Greedy {
  readonly sent: number;
  readonly accepted: number;
  readonly refused: number;
}

const SOCKETS = 8;
const CONNECTIONS = 100;
const TICK_MS = 10;

const { url, workspace, credential, rate } = JSON.parse(process.argv[2] ?? '') as Asked;
const address = `${url}/v2/workspaces/${workspace}/events`;
const event = '{"type":"bench.tick","payload":{"text":"as much as goes"}}';
const counts = { sent: 0, accepted: 0, refused: 0 };
let began = performance.now();

attack((): Greedy => {
  const seconds = (performance.now() - began) / 1000;
  const perSecond = (count: number): number => Math.round(count / seconds);
  const { sent, accepted, refused } = counts;
  return { sent: perSecond(sent), accepted: perSecond(accepted), refused: perSecond(refused) };
});

function count(answer: Buffer): void {
  if (answer.includes('"quota-exceeded"')) {
    counts.refused++;
  } else {
    counts.accepted++;
  }
}

async function overSockets(): Promise<void> {
  const frame = textFrame(`{"op":"emit","events":[${event}]}`);
  const sockets: RawSocket[] = [];
  for (let index = 0; index < SOCKETS; index++) {
    sockets.push(await RawSocket.open(address, count, credential));
  }
  const each = Math.round((rate * TICK_MS) / 1000 / SOCKETS);
  const frames = Buffer.concat(Array<Buffer>(each).fill(frame));
  setInterval(() => {
    for (const { socket } of sockets) {
      if (!socket.writableNeedDrain) {
        socket.write(frames);
        counts.sent += each;
      }
    }
  }, TICK_MS);
}

function overHttp(): void {
  const { hostname, port, pathname } = new URL(address);
  const request =
    `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
    'Content-Type: application/json\r\n' +
    `Content-Length: ${String(event.length)}\r\n` +
    `Authorization: Bearer ${credential}\r\n\r\n${event}`;
  for (let index = 0; index < CONNECTIONS; index++) {
    const socket = connect(Number(port), hostname).setNoDelay(true);
    const ask = (): void => {
      socket.write(request);
      counts.sent++;
    };
    socket.once('connect', ask);
    // An answer is small, and comes as a whole.
    socket.on('data', (answer: Buffer) => {
      count(answer);
      ask();
    });
  }
}

await overSockets();
overHttp();
began = performance.now();
attacking();
