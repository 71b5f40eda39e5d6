import assert from 'node:assert/strict';
import { createRecordsBatch, NumericMap, Reader, readRecordsBatches } from '@platformatic/kafka';
import fc from 'fast-check';
import { encodeBatch, type NewRecord } from '../../src/commands/log.kafka.batch.js';

const SEQUENCE_MAX = 2 ** 31 - 1;
const TIME_MAX = 8_640_000_000_000_000;
/** The library cuts off what is more than 31 bits between the first record and another one. */
const SPAN_MAX = 2 ** 31 - 1;

const buffer = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const text = fc.string({ maxLength: 200, unit: 'grapheme' });
const record = (timeMax: number): fc.Arbitrary<NewRecord> =>
  fc.record({
    key: buffer,
    value: buffer,
    timestamp: fc.nat(timeMax),
    headers: fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name, maxLength: 5 }),
  });
const records = (timeMax: number): fc.Arbitrary<NewRecord[]> =>
  fc.array(record(timeMax), { minLength: 1, maxLength: 200 });

/** The same batch as the library makes it. */
function reference(of: readonly NewRecord[], producerId: bigint, sequence: number): Buffer {
  const messages = of.map(({ key, value, timestamp, headers }) => ({
    topic: 'any',
    partition: 0,
    key: Buffer.from(key),
    value: Buffer.from(value),
    timestamp: BigInt(timestamp),
    headers: new Map(headers.map(([name, each]) => [Buffer.from(name), Buffer.from(each)])),
  }));
  return createRecordsBatch(messages, {
    compression: 'none',
    producerId,
    producerEpoch: 3,
    sequences: new NumericMap([['any:0', sequence]]),
    partitionLeaderEpoch: -1,
  }).buffer;
}

describe('a record batch', () => {
  it('is byte for byte what others make of the same records', () => {
    fc.assert(
      fc.property(
        records(SPAN_MAX),
        fc.bigInt({ min: 0n, max: 2n ** 62n }),
        fc.nat(SEQUENCE_MAX),
        (of, producerId, sequence) => {
          const encoded = encodeBatch(of, { producerId, producerEpoch: 3, sequence });
          assert.deepEqual(encoded, reference(of, producerId, sequence));
        },
      ),
    );
  });

  it('can be read back, whatever the times', () => {
    fc.assert(
      fc.property(records(TIME_MAX), (of) => {
        const batch = encodeBatch(of, { producerId: 1n, producerEpoch: 0, sequence: 0 });
        const [read] = readRecordsBatches(Reader.from(batch));
        assert.deepEqual(
          read!.records.map(({ key, value, headers }) => [key, value, headers.length]),
          of.map(({ key, value, headers }) => [key, value, headers.length]),
        );
      }),
    );
  });
});
