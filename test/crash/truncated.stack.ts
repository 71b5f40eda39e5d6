import assert from 'node:assert/strict';
import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { answersAfter } from '../flow/answers.js';
import { Cluster } from '../flow/cluster.js';
import { folderOf, kill, start } from '../stack/servers.js';
import { emit, eventsUrl, request } from '../support/client.js';
import { searchAll } from '../support/log.js';
import type { NodeProcess } from '../support/node.js';
import { positionOf, Tailer } from '../support/tailer.js';
import { until } from '../until.js';

const WORKSPACE = 'truncated';
const ALL_EVENTS = 10;
/** How many a broker that is alone still has after a failure of the power. */
const LEFT_EVENTS = 6;

describe('a log that has lost the last of what it had acknowledged', function () {
  this.timeout(120_000);

  let cluster: Cluster;
  let node: NodeProcess;
  let url: string;

  before(async () => {
    cluster = new Cluster();
    node = await cluster.spawn();
    ({ url } = node);
  });
  after(() => cluster.stop());

  /** Emits an event in an append of its own; gives its cursor once the log takes it. */
  const emitOne = (id: string): Promise<string> =>
    until(`${id} is emitted`, async () => {
      const events = [{ id, type: 'step.taken', payload: {} }];
      const { status, body } = await emit(url, WORKSPACE, events);
      return status === 201 && (body.results[0].position as string);
    });
  const fileOf = (workspace: string): string =>
    join(
      folderOf('kafka'),
      'data',
      `${cluster.settings.KAFKA_TOPIC_PREFIX}${workspace}-0`,
      '00000000000000000000.log',
    );

  it('has its subscribers told, and what comes next delivered and found', async () => {
    const cursors: string[] = [];
    let leftBytes = 0;
    while (cursors.length < ALL_EVENTS) {
      if (cursors.length === LEFT_EVENTS) {
        ({ size: leftBytes } = await stat(fileOf(WORKSPACE)));
      }
      cursors.push(await emitOne(`before-${cursors.length}`));
    }
    const last = cursors.at(-1)!;
    const historized = { waitFor: last, wait: '30' };
    assert.equal((await request(eventsUrl(url, WORKSPACE, historized))).status, 200);
    const tailers = (['ws', 'sse'] as const).map(
      (transport) =>
        new Tailer(() => url, { transport, workspace: WORKSPACE, filter: {}, from: 'start' }),
    );
    try {
      for (const tailer of tailers) {
        tailer.connect();
      }
      await until('all is delivered', () =>
        tailers.every(({ received }) => received.length === ALL_EVENTS),
      );

      await kill('kafka');
      await truncate(fileOf(WORKSPACE), leftBytes);
      await start('kafka');

      await until('they are cut off', () => tailers.every(({ connected }) => !connected));
      for (const answer of await answersAfter(url, WORKSPACE, last)) {
        assert.deepEqual([answer.recovered, answer.reason], [false, 'ahead']);
      }
      for (const tailer of tailers) {
        tailer.connect();
      }
      await until('they are told', () =>
        tailers.every(({ complaints }) => complaints.length === 1),
      );
      const again = await emitOne('after-0');
      assert.equal(positionOf(again), LEFT_EVENTS);
      let newest = again;
      for (let n = 1; n < ALL_EVENTS; n++) {
        newest = await emitOne(`after-${n}`);
      }
      const ids = Array.from({ length: ALL_EVENTS }, (_, n) => `after-${n}`);
      await until('they are delivered', () =>
        tailers.every(({ received }) => received.at(-1)?.id === ids.at(-1)),
      );
      for (const { received, complaints } of tailers) {
        assert.deepEqual(
          received.slice(ALL_EVENTS).map(({ id }) => id),
          ids,
        );
        assert.deepEqual(complaints, [`lost its position after ${last}`]);
      }
      await until('they are found', async () => {
        const found = new Set((await searchAll(url, WORKSPACE, newest)).map(({ id }) => id));
        return ids.every((id) => found.has(id));
      });
      assert.equal(await node.end(), 0);
    } finally {
      for (const tailer of tailers) {
        tailer.drop();
      }
    }
  });
});
