import assert from 'node:assert/strict';
import { elasticsearch } from '../projections/elastic.js';
import { request } from '../support/client.js';
import { searchAll, type Logged } from '../support/log.js';
import { faults } from '../support/sequence.js';
import { until } from '../until.js';
import type { Cluster } from './cluster.js';
import { WORKSPACE, type Producer } from './producer.js';

/** What Elasticsearch gives at most in one answer. */
const PAGE = 10_000;
const CATCH_UP_MS_MAX = 60_000;

/**
 * The log has what was acknowledged, where it was said to be. A producer that retries may have an
 * event there more than once where the log could not tell in time whether it has it: the node then
 * knows nothing of it. The place that is acknowledged is the last one, and no other ever was.
 */
export function assertKept(producer: Producer, log: readonly Logged[], mayRepeat: boolean): void {
  const { name, retries, sent, acknowledged } = producer;
  const positions = positionsOf(producer, log);
  assert.ok(acknowledged.size > 0, `${name} has no answer`);
  assert.equal(retries ? sent.length : acknowledged.size, acknowledged.size, `${name} gave up`);
  for (const [id, position] of acknowledged) {
    const actual = positions.get(id);
    assert.ok(actual, `${id} is lost`);
    assert.equal(actual.at(-1), position ?? actual.at(-1), `${id} is at ${actual.join()}`);
  }
  for (const [id, { length }] of positions) {
    assert.ok(length === 1 || (retries && mayRepeat), `${id} is in the log ${length} times`);
  }
}

/** What was sent before is in the log before: of what was acknowledged, in whatever order. */
export function assertOrdered(producer: Producer, log: readonly Logged[]): void {
  const positions = positionsOf(producer, log);
  let last = -1;
  for (const id of producer.sent.filter((each) => producer.acknowledged.has(each))) {
    const position = positions.get(id)!.at(-1)!;
    assert.ok(position > last, `${id} is at ${position}, but the one before at ${last}`);
    last = position;
  }
}

function positionsOf({ name }: Producer, log: readonly Logged[]): Map<string, number[]> {
  const positions = new Map<string, number[]>();
  for (const { id, position } of log) {
    if (id.startsWith(`${name}-`)) {
      positions.set(id, [...(positions.get(id) ?? []), position]);
    }
  }
  return positions;
}

/** Every subscriber has what is in the log, each event once, and was never refused. */
export async function assertDelivered({ tailers }: Cluster, log: readonly Logged[]): Promise<void> {
  const last = log.at(-1)!.position;
  for (const tailer of tailers) {
    const { wish, received, complaints } = tailer;
    const what = `the subscriber has the last event: ${wish.transport}`;
    await until(what, () => tailer.position >= last, CATCH_UP_MS_MAX);
    assert.deepEqual(faults(received, log).slice(0, 10), [], wish.transport);
    assert.deepEqual(complaints, [], wish.transport);
  }
}

/** No node takes the log for one that has lost what it had acknowledged: it has lost nothing. */
export async function assertNotTruncated({ nodes }: Cluster): Promise<void> {
  for (const { url } of nodes) {
    const { body } = await request(`${url}/metrics`);
    assert.match(body as string, /^log_truncations_total 0$/m);
  }
}

/** A search finds every event of the log, each id once, and Elasticsearch holds nothing else. */
export async function assertHistorized(cluster: Cluster, log: readonly Logged[]): Promise<void> {
  const { url, settings } = cluster;
  const found = (await searchAll(url, WORKSPACE, log.at(-1)!.cursor)).toReversed();
  const ids = new Set(log.map(({ id }) => id));
  assert.equal(found.length, ids.size);
  // Of an event that is in the log more than once, any of its places will do.
  const historized = new Map(found.map(({ id, position }) => [id, position]));
  const expected = log.filter(({ id, position }) => historized.get(id) === position);
  assert.equal(expected.length, ids.size);
  assert.deepEqual(faults(found, expected).slice(0, 10), []);

  const { body } = await request(`${url}/v2/workspaces/${WORKSPACE}`);
  const index = settings.ELASTICSEARCH_INDEX_PREFIX!;
  const query = { term: { of: `${WORKSPACE}/${body.epoch as string}` } };
  assert.equal((await elasticsearch.count({ index, query })).count, ids.size);
  const held: number[] = [];
  do {
    const after = held.length > 0 && { search_after: [held.at(-1)!] };
    const page = { index, query, sort: ['position'], size: PAGE, _source: false, ...after };
    const { hits } = await elasticsearch.search(page);
    held.push(...hits.hits.map(({ sort }) => Number(sort![0])));
  } while (held.length > 0 && held.length % PAGE === 0);
  assert.deepEqual(
    held,
    found.map(({ position }) => position),
  );
}
