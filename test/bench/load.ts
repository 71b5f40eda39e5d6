import { random } from '../support/random.js';
import { ageMs, now, percentile, RawSocket } from './frames.js';

/**
 * The load on one server, in a process of its own: subscribers that only look at the clock, and one
 * emitter. `rate` events a second are sent whatever comes back (open loop), evenly, or at random as
 * they come from many who know nothing of each other; without a rate, as many as keep `WINDOW` of
 * them under way.
 */
interface Load {
  readonly url: string;
  readonly kind: 'service' | 'broadcast' | 'durable';
  readonly subscribers: number;
  readonly rate?: number;
  readonly isRandom?: boolean;
  readonly seconds: number;
  /** A token, where the server asks for one. */
  readonly credential?: string;
}

export interface Measured {
  readonly deliveriesPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Deliveries that should have come and did not. */
  readonly missing: number;
}

/**
 * First as many events as go, for so long or up to so many: by then both servers run compiled code.
 * Then a pause, in which the service’s projection catches up.
 */
const WARM_SECONDS = 2;
const WARM_EVENTS = 5_000;
const PAUSE_SECONDS = 1;
const WARM_WINDOW = 100;
/** Events under way: few enough to leave no queue to speak of, enough to keep a server busy. */
const WINDOW = 2_000;
const TICK_MS = 1;
const SETTLE_SECONDS = 0.5;
const TEXT = 'x'.repeat(80);

const load = JSON.parse(process.argv[2] ?? '{}') as Load;
const latencies: number[] = [];
let measuring = false;
let received = 0;
let sent = 0;

/**
 * About 400 bytes, the same for both: the service’s own envelope is what a bare server is given.
 */
function message(n: number): string {
  const payload = `{"at":"${now()}","n":${String(n)},"text":"${TEXT}"}`;
  if (load.kind === 'service') {
    return `{"op":"emit","events":[{"type":"bench.tick","payload":${payload}}]}`;
  }
  return (
    '{"op":"event","subscription":"s1","position":"a1b2c3d4-100000","event":{' +
    '"id":"01a20a2a-e1f7-7490-9b2a-962bf25fee4b","type":"bench.tick","workspaceId":"bench",' +
    '"time":"2026-01-01T00:00:00.000Z","createdAt":"2026-01-01T00:00:00.000Z",' +
    '"source":{"workspaceId":"bench","correlationId":"66949ccf-fc84-4a17-86db-b7573372a7e2",' +
    '"connectionId":"4a57462f-c333-46b0-b877-6c5fe9e771b5","host":"127.0.0.1:3000"},' +
    `"payload":${payload}}}`
  );
}

function onFrame(payload: Buffer): void {
  const age = ageMs(payload);
  if (age === undefined) {
    return;
  }
  received++;
  if (measuring) {
    latencies.push(age);
  }
}

function send(emitter: RawSocket): void {
  emitter.send(message(sent++));
}

/**
 * Calls `tick` every millisecond for some seconds; resolves with how many seconds it really took.
 */
function during(seconds: number, tick: (elapsed: number) => void): Promise<number> {
  const began = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsed = (performance.now() - began) / 1000;
      if (elapsed >= seconds) {
        clearInterval(timer);
        resolve(elapsed);
        return;
      }
      tick(elapsed);
    }, TICK_MS);
  });
}

async function run(): Promise<void> {
  const address =
    load.kind === 'service' ? `${load.url}/v2/workspaces/bench/events` : `${load.url}/`;
  for (let i = 0; i < load.subscribers; i++) {
    const subscriber = await RawSocket.open(address, onFrame, load.credential);
    if (load.kind === 'service') {
      subscriber.send('{"op":"subscribe","id":1,"from":"now"}');
    }
  }
  const emitter = await RawSocket.open(address, () => undefined, load.credential);
  const fill = (window: number): void => {
    while (sent - received / load.subscribers < window) {
      send(emitter);
    }
  };
  await during(WARM_SECONDS, () => {
    if (sent < WARM_EVENTS) {
      fill(WARM_WINDOW);
    }
  });
  await during(PAUSE_SECONDS, () => undefined);
  const { rate, isRandom = false } = load;
  // The same times in every run.
  const draw = random(1);
  const gap = (): number => (isRandom ? -Math.log(1 - draw()) : 1);
  let due = 0;
  const before = received;
  measuring = true;
  const seconds = await during(load.seconds, (elapsed) => {
    if (rate === undefined) {
      fill(WINDOW);
      return;
    }
    for (; due < elapsed * rate; due += gap()) {
      send(emitter);
    }
  });
  const delivered = received - before;
  measuring = rate !== undefined;
  const expected = sent * load.subscribers;
  await during(SETTLE_SECONDS, () => undefined);
  latencies.sort((a, b) => a - b);
  const measured: Measured = {
    deliveriesPerSecond: delivered / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    max: latencies.at(-1) ?? NaN,
    missing: expected - received,
  };
  process.stdout.write(`${JSON.stringify(measured)}\n`);
  process.exit(0);
}

await run();
