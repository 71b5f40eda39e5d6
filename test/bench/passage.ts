import { once } from 'node:events';
import { Kafka, logLevel } from 'kafkajs';
import { until } from '../until.js';
import { consume } from './consumer.js';
import { percentile, RawSocket } from './frames.js';

/**
 * The way of single events from who emits them to who waits for them, at a steady rate, whatever
 * comes back (open loop): through two nodes of the service, or by kafkajs straight through Kafka.
 */
export type Passage =
  | { readonly kind: 'service'; readonly emitUrl: string; readonly tailUrl: string }
  | { readonly kind: 'bare'; readonly brokers: readonly string[]; readonly topic: string };

interface Asked {
  readonly passage: Passage;
  readonly rate: number;
  readonly seconds: number;
}

/** In milliseconds. */
export interface Passed {
  /** From the emit to the receipt. */
  readonly p50: number;
  readonly p99: number;
  /** From the acknowledgement to the receipt, which may be the earlier of the two. */
  readonly acknowledgedP50: number;
  readonly acknowledgedP99: number;
}

/** Until then code is compiled and connections are made. */
const WARM_SECONDS = 3;
/** Servers that have just been started lag behind. */
const ARRIVAL_MS_MAX = 30_000;
const TICK_MS = 1;
const TEXT = 'x'.repeat(200);

const sent: number[] = [];
const acknowledged: number[] = [];
const received: number[] = [];

/** How an event is sent; tells the times when it is acknowledged and received by its number. */
interface Way {
  send(n: number): void;
}

function numberIn(payload: Buffer): number {
  return Number(/"n":(-?\d+)/.exec(payload.toString('latin1'))?.[1]);
}

async function throughService(emitUrl: string, tailUrl: string): Promise<Way> {
  const address = (url: string): string => `${url}/v2/workspaces/bench/events`;
  let subscribed!: () => void;
  const ready = new Promise<void>((resolve) => {
    subscribed = resolve;
  });
  const subscriber = await RawSocket.open(address(tailUrl), (payload) => {
    const frame = payload.toString('latin1', 0, 16);
    if (frame.startsWith('{"op":"event"')) {
      received[numberIn(payload)] = performance.now();
    } else if (payload.toString('latin1').includes('"subscribed"')) {
      subscribed();
    }
  });
  subscriber.send('{"op":"subscribe","id":1,"from":"now"}');
  await ready;
  const emitter = await RawSocket.open(address(emitUrl), (payload) => {
    acknowledged[Number(/"id":(\d+)/.exec(payload.toString('latin1'))?.[1])] = performance.now();
  });
  return {
    send: (n) => {
      const event = `{"type":"bench.tick","payload":{"n":${String(n)},"text":"${TEXT}"}}`;
      emitter.send(`{"op":"emit","id":${String(n)},"events":[${event}]}`);
    },
  };
}

async function throughKafka(brokers: readonly string[], topic: string): Promise<Way> {
  await consume(brokers, topic, topic, {
    eachMessage: ({ message }) => {
      received[numberIn(message.value!)] = performance.now();
      return Promise.resolve();
    },
  });
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  // By then it knows who leads; otherwise all would wait behind the first for the whole time.
  await producer.send({ topic, acks: -1, messages: [{ key: 'bench', value: '{"n":-1}' }] });
  return {
    send: (n) => {
      const value = `{"type":"bench.tick","payload":{"n":${String(n)},"text":"${TEXT}"}}`;
      void producer.send({ topic, acks: -1, messages: [{ key: 'bench', value }] }).then(() => {
        acknowledged[n] = performance.now();
      });
    },
  };
}

async function run({ passage, rate, seconds }: Asked): Promise<Passed> {
  const way = await (passage.kind === 'service'
    ? throughService(passage.emitUrl, passage.tailUrl)
    : throughKafka(passage.brokers, passage.topic));
  const total = (WARM_SECONDS + seconds) * rate;
  const began = performance.now();
  const over = new EventTarget();
  const timer = setInterval(() => {
    const due = Math.min(((performance.now() - began) * rate) / 1000, total);
    for (let n = sent.length; n < due; n++) {
      sent.push(performance.now());
      way.send(n);
    }
    if (sent.length === total) {
      clearInterval(timer);
      over.dispatchEvent(new Event('over'));
    }
  }, TICK_MS);
  await once(over, 'over');
  const measured = Array.from(
    { length: seconds * rate },
    (_, index) => WARM_SECONDS * rate + index,
  );
  await until(
    'all have been acknowledged and received',
    () => measured.every((n) => acknowledged[n] !== undefined && received[n] !== undefined),
    ARRIVAL_MS_MAX,
  );
  const since = (times: readonly number[]): number[] =>
    measured.map((n) => received[n]! - times[n]!).sort((a, b) => a - b);
  const [all, behind] = [since(sent), since(acknowledged)];
  return {
    p50: percentile(all, 0.5),
    p99: percentile(all, 0.99),
    acknowledgedP50: percentile(behind, 0.5),
    acknowledgedP99: percentile(behind, 0.99),
  };
}

process.stdout.write(`${JSON.stringify(await run(JSON.parse(process.argv[2] ?? '') as Asked))}\n`);
process.exit(0);
