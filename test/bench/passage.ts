import { once } from 'node:events';
import { Kafka, logLevel } from 'kafkajs';
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
  readonly missing: number;
}

/** Until then code is compiled and connections are made. */
const WARM_SECONDS = 3;
const SETTLE_MS = 2_000;
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
  return Number(/"n":(\d+)/.exec(payload.toString('latin1'))?.[1]);
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
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  const consumer = kafka.consumer({ groupId: topic });
  await consumer.connect();
  await consumer.subscribe({ topic });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({
    eachMessage: ({ message }) => {
      received[numberIn(message.value!)] = performance.now();
      return Promise.resolve();
    },
  });
  await joined;
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
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
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const measured = Array.from(
    { length: seconds * rate },
    (_, index) => WARM_SECONDS * rate + index,
  );
  const arrived = measured.filter((n) => received[n] !== undefined);
  const since = (times: readonly number[]): number[] =>
    arrived.map((n) => received[n]! - times[n]!).sort((a, b) => a - b);
  const [all, behind] = [since(sent), since(acknowledged)];
  return {
    p50: percentile(all, 0.5),
    p99: percentile(all, 0.99),
    acknowledgedP50: percentile(behind, 0.5),
    acknowledgedP99: percentile(behind, 0.99),
    missing: measured.length - arrived.length,
  };
}

process.stdout.write(`${JSON.stringify(await run(JSON.parse(process.argv[2] ?? '') as Asked))}\n`);
process.exit(0);
