import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import kafkajs, { CompressionTypes, type KafkaMessage, type Message } from 'kafkajs';
import { openKafkaLog } from '../../src/commands/log.kafka.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { logContract } from '../contract/log.contract.js';
import {
  dropLog,
  numbered,
  numbersOf,
  positionsOf,
  range,
  readAll,
  sealed,
  sealedBytes,
  trimLog,
} from './sealed.js';
import { administer, follower, kafka, logOptions, wipe, withKafkaLogs } from './log.kafka.setup.js';
import { until } from '../until.js';

const MIB = 1024 * 1024;

logContract('Kafka', async () => {
  const options = logOptions();
  const log = await openKafkaLog(options);
  return {
    log,
    dispose: async () => {
      await log.close();
      await wipe(options);
    },
  };
});

describe('the Kafka log, beyond what every log promises', () => {
  const open = withKafkaLogs();
  const { topicPrefix } = logOptions();
  const topic = `${topicPrefix}w`;

  /** What another client writes to the topic. */
  const produce = async (messages: Message[], compression?: CompressionTypes): Promise<void> => {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages, ...(compression && { compression }) });
    await producer.disconnect();
  };

  /** Changes what the topic was made with. */
  const configure = (settings: Record<string, string>): Promise<void> =>
    administer(async (admin) => {
      const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
      const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries };
      await admin.alterConfigs({ validateOnly: false, resources: [resource] });
    });

  it('reads the events of other clients, also compressed, and nothing else of theirs', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const next = follower(log, 'w').next();
    await produce(
      numbered(0, 100).map(({ bytes }) => ({ value: Buffer.from(bytes) })),
      CompressionTypes.GZIP,
    );
    assert.deepEqual(numbersOf([...(await next).value!.records]), range(0, 100));
    await produce([{ value: 'no JSON' }, { value: null }, { value: '{"id":7}' }]);
    await log.append('w', [sealed(100)]);
    // From the midst of a compressed batch.
    const { records } = await log.read('w', 97 as Position, MIB);
    assert.deepEqual(positionsOf([...records]), [98, 99, 103]);
  });

  it('says what compression it cannot read, rather than to try again for ever', async function () {
    if ('zstdDecompressSync' in zlib) {
      // This Node reads all that Kafka writes.
      this.skip();
    }
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const live = follower(log, 'w').next();
    await configure({ 'compression.type': 'zstd' });
    await log.append('w', [sealed(0)]);
    const unreadable = { message: /zstd is not supported/ };
    await assert.rejects(live, unreadable);
    await assert.rejects(log.read('w', BEFORE_FIRST, MIB), unreadable);
    await assert.rejects(follower(log, 'w').next(), unreadable);
  });

  it('goes over what is nobody’s record: positions grow, not always by one', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const producer = kafka.producer({
      transactionalId: topic,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    const live = follower(log, 'w');
    const seen: number[] = [];
    const seeUpTo = async (position: number): Promise<void> => {
      for (let last = -1; last < position;) {
        const { value } = await live.next();
        seen.push(...numbersOf([...value!.records]));
        last = value!.last;
      }
    };
    for (const n of range(0, 3)) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value: Buffer.from(sealed(n).bytes) }] });
      await seeUpTo(2 * n);
      await transaction.commit();
    }
    await producer.disconnect();
    assert.deepEqual(seen, range(0, 3));
    // A broker answers a commit before it has written the marker.
    await until('the last marker is written', async () => (await log.bounds('w')).next === 6);
    // Who waits for the head of the log must learn that it is past the last record.
    await seeUpTo(5);
    assert.deepEqual(seen, range(0, 3));
    assert.equal((await log.read('w', 4 as Position, MIB)).last, 5);
    const coming = live.next();
    assert.equal(await log.append('w', [sealed(3)]), 6);
    assert.deepEqual(positionsOf([...(await coming).value!.records]), [6]);
    const records = await readAll(log, 'w');
    assert.deepEqual([positionsOf(records), numbersOf(records)], [[0, 2, 4, 6], range(0, 4)]);
    assert.deepEqual((await log.read('w', 4 as Position, 0)).records.length, 1);
  });

  it('goes on with the oldest held where retention has passed a follower', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    await log.append('w', numbered(0, 10));
    const slow = follower(log, 'w', 1 as Position);
    await slow.next();
    for (const n of range(10, 20)) {
      await log.append('w', [sealed(n)]);
    }
    await trimLog(log, 'w', 15);
    const { value } = await slow.next();
    assert.deepEqual([value!.first, numbersOf([...value!.records])], [15, range(15, 20)]);
  });

  it('is read from its start while retention passes one reader after the other', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const count = 200;
    await log.append('w', numbered(0, count));
    let isForgetting = true;
    const forgetting = (async () => {
      for (const before of range(1, count)) {
        await trimLog(log, 'w', before);
      }
      isForgetting = false;
    })();
    const read = async (): Promise<void> => {
      while (isForgetting) {
        const { records } = await log.read('w', BEFORE_FIRST, MIB);
        const numbers = numbersOf(records);
        assert.deepEqual(numbers, range(numbers[0]!, count));
      }
    };
    await Promise.all([forgetting, read(), read(), read()]);
  });

  it('is one log for all nodes, by the same epoch', async () => {
    const [one, two] = [await open({ topicPrefix }), await open({ topicPrefix })];
    const { epoch } = await one.create('w', {});
    assert.equal((await two.bounds('w')).epoch, epoch);
    const next = follower(two, 'w').next();
    await one.append('w', [sealed(0)]);
    assert.deepEqual(numbersOf([...(await next).value!.records]), [0]);
    await Promise.all([
      assert.rejects(follower(two, 'w', 0 as Position).next(), { code: 'workspace-not-found' }),
      dropLog(one, 'w'),
    ]);
    const again = await one.create('w', {});
    await two.drop('w', epoch);
    assert.equal((await two.bounds('w')).epoch, again.epoch);
    assert.deepEqual(await two.read('w', BEFORE_FIRST, MIB), {
      records: [],
      first: 0,
      last: BEFORE_FIRST,
    });
    assert.equal(await two.append('w', [sealed(1)]), 0);
  });

  it('is made at once by several nodes, and dropped at once', async () => {
    const logs = [await open({ topicPrefix }), await open({ topicPrefix })];
    for (let round = 0; round < 5; round++) {
      const made = await Promise.all(logs.map((log) => log.create('w', {})));
      assert.equal(made[0]!.epoch, made[1]!.epoch);
      await Promise.all(logs.map((log) => log.drop('w', made[0]!.epoch)));
    }
  });

  it('makes topics as it was told to, which lose nothing unless they should', async () => {
    const log = await open({ topicPrefix });
    const { epoch } = await log.create('w', {});
    await log.create('w-2', { maxAgeMs: 3_600_000, maxBytes: 1024 * MIB });
    await log.create('_system', {});
    const configOf = async (name: string): Promise<Record<string, string>> => {
      let config: Record<string, string> = {};
      await administer(async (admin) => {
        const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topicPrefix + name }];
        const answer = await admin.describeConfigs({ resources, includeSynonyms: false });
        // Not what the broker decides where the topic says nothing.
        const own = answer.resources[0]!.configEntries.filter(
          ({ configSource }) => configSource === kafkajs.ConfigSource.TOPIC_CONFIG,
        );
        config = Object.fromEntries(own.map((entry) => [entry.configName, entry.configValue]));
      });
      return config;
    };
    const config = await configOf('w');
    assert.equal(config['retention.ms'], '-1');
    assert.equal(config['retention.bytes'], '-1');
    assert.equal(config['min.insync.replicas'], '1');
    assert.equal(config['cleanup.policy'], 'delete');
    // Or the broker might compress anew what it gets, in a way that a node cannot read.
    assert.equal(config['compression.type'], 'producer');
    const bounded = await configOf('w-2');
    assert.equal(bounded['retention.ms'], '3600000');
    assert.equal(bounded['retention.bytes'], String(1024 * MIB));
    // Whole segments are forgotten: so these are no longer than what is to be kept, and smaller.
    assert.equal(bounded['segment.ms'], '3600000');
    assert.equal(bounded['segment.bytes'], String(256 * MIB));

    await log.retain('w', epoch, { maxAgeMs: 5000, maxBytes: MIB });
    const changed = await configOf('w');
    const kept = ['retention.ms', 'retention.bytes', 'segment.ms', 'segment.bytes'] as const;
    assert.deepEqual(
      kept.map((name) => changed[name]),
      ['5000', String(MIB), '600000', String(80 * MIB)],
    );
    await log.retain('w', epoch, {});
    const again = await configOf('w');
    assert.deepEqual(
      kept.map((name) => again[name]),
      kept.map((name) => config[name]),
    );
    assert.equal(again['min.insync.replicas'], '1');
  });

  it('names the setting where there are fewer brokers than it wants', async () => {
    const log = await open({ topicPrefix, replicationFactor: 3 });
    const refused = { code: 'unavailable', message: /KAFKA_REPLICATION_FACTOR is 3/ };
    await assert.rejects(log.create('w', {}), refused);
  });

  it('keeps an append in one batch however large, and refuses one beyond that', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const large = range(0, 24).map(() => sealedBytes(Buffer.alloc(MIB)));
    assert.equal(await log.append('w', large), 0);
    const tooLarge = range(0, 65).map(() => large[0]!);
    await assert.rejects(log.append('w', tooLarge), { code: 'too-large' });
    await log.append('w', [sealed(1)]);
    assert.equal((await readAll(log, 'w')).length, 25);
  });

  it('tells Kafka the times of events that are decades apart', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const times = [1_700_000_000_000, 0, 1_700_000_000_001];
    await log.append(
      'w',
      times.map((time, n) => sealed(n, time)),
    );
    for (const [n, time] of times.entries()) {
      assert.equal(await log.seek('w', time), time === 0 ? BEFORE_FIRST : n - 1);
    }
  });

  it('takes what was accepted by a clock that has stepped back by a day since', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const now = Date.now();
    const ahead = sealed(1, now + 86_400_000);
    // What a broker takes keeps its time, even if that is ahead.
    await log.append('w', [sealed(0, now + 60_000), ahead]);
    assert.equal(await log.seek('w', now + 60_000), BEFORE_FIRST);
    assert.equal(await log.seek('w', now + 60_001), 0);
    const records = await readAll(log, 'w');
    assert.deepEqual(Buffer.from(records[1]!.bytes), ahead.bytes);
  });

  it('asks to come later where the broker does not believe the time of an event', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    await configure({ 'message.timestamp.before.max.ms': '60000' });
    const refused = { code: 'unavailable', message: /clock/ };
    await assert.rejects(log.append('w', [sealed(0, Date.now() - 3_600_000)]), refused);
    assert.equal(await log.append('w', [sealed(0, Date.now())]), 0);
  });

  it('writes CloudEvents that other clients can read', async () => {
    const log = await open({ topicPrefix });
    await log.create('w', {});
    const event = sealed(7, 1_700_000_000_000);
    await log.append('w', [event]);
    const consumer = kafka.consumer({ groupId: topic });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const message = await new Promise<KafkaMessage>((resolve) => {
      void consumer.run({
        eachMessage: async (each) => {
          resolve(each.message);
        },
      });
    });
    await consumer.disconnect();
    const headers = Object.entries(message.headers!).map(([key, value]) => [key, String(value)]);
    assert.deepEqual(Object.fromEntries(headers), {
      ce_specversion: '1.0',
      ce_id: event.event.id,
      ce_source: '/v2/workspaces/w',
      ce_type: event.event.type,
      ce_time: event.event.time,
      'content-type': 'application/json; charset=UTF-8',
    });
    assert.equal(message.timestamp, '1700000000000');
    assert.equal(String(message.key), 'w');
    assert.deepEqual(message.value, event.bytes);
  });

  it('reads records with and without a schema id, whichever it writes itself', async () => {
    const [plain, framed] = [await open({ topicPrefix }), await open({ topicPrefix, schemaId: 7 })];
    await plain.create('w', {});
    await plain.append('w', [sealed(0), sealedBytes(Buffer.from([0, 0, 0, 0, 7, 1]))]);
    await framed.append('w', [sealed(2), sealedBytes(Buffer.from([0, 0, 0, 0, 7, 1]))]);
    for (const log of [plain, framed]) {
      const records = await readAll(log, 'w');
      assert.deepEqual(numbersOf([records[0]!, records[2]!]), [0, 2]);
      assert.deepEqual(Buffer.from(records[1]!.bytes), Buffer.from([0, 0, 0, 0, 7, 1]));
      assert.deepEqual(Buffer.from(records[3]!.bytes), Buffer.from([0, 0, 0, 0, 7, 1]));
    }
  });
});
