import assert from 'node:assert/strict';
import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { openKafkaLog } from '../../src/commands/log.kafka.js';
import { logOptions } from '../commands/log.kafka.setup.js';
import { numbered } from '../commands/sealed.js';
import { answersAfter } from '../flow/answers.js';
import { Cluster } from '../flow/cluster.js';
import { folderOf, kill, start } from '../stack/servers.js';
import { emit, eventsUrl, request } from '../support/client.js';
import { searchAll } from '../support/log.js';
import type { NodeProcess } from '../support/node.js';
import { positionOf, Tailer } from '../support/tailer.js';
import { until } from '../until.js';

const ALL_EVENTS = 10;
/** How many a broker that is alone still has after a failure of the power. */
const LEFT_EVENTS = 6;

describe('a log that has lost the last of what it had acknowledged', function () {
  this.timeout(180_000);

  let cluster: Cluster;
  let node: NodeProcess;
  let url: string;
  const open: Tailer[] = [];

  before(async () => {
    cluster = new Cluster();
    node = await cluster.spawn();
    ({ url } = node);
  });
  afterEach(() => {
    for (const tailer of open.splice(0)) {
      tailer.drop();
    }
  });
  after(() => cluster.stop());

  /** Emits an event in an append of its own; gives its cursor once the log takes it. */
  const emitOne = (workspace: string, id: string): Promise<string> =>
    until(`${id} is emitted`, async () => {
      const events = [{ id, type: 'step.taken', payload: {} }];
      const { status, body } = await emit(url, workspace, events);
      return status === 201 && (body.results[0].position as string);
    });
  const fileOf = (workspace: string): string =>
    join(
      folderOf('kafka'),
      'data',
      `${cluster.settings.KAFKA_TOPIC_PREFIX}${workspace}-0`,
      '00000000000000000000.log',
    );

  /** Emits all, one by one; gives the last cursor, and the size of the log before what will go. */
  async function fill(workspace: string): Promise<{ last: string; leftBytes: number }> {
    let last = '';
    let leftBytes = 0;
    for (let n = 0; n < ALL_EVENTS; n++) {
      if (n === LEFT_EVENTS) {
        ({ size: leftBytes } = await stat(fileOf(workspace)));
      }
      last = await emitOne(workspace, `before-${n}`);
    }
    const query = { waitFor: last, wait: '30' };
    assert.equal((await request(eventsUrl(url, workspace, query))).status, 200);
    return { last, leftBytes };
  }

  const tail = async (workspace: string): Promise<Tailer[]> => {
    const tailers = (['ws', 'sse'] as const).map(
      (transport) => new Tailer(() => url, { transport, workspace, filter: {}, from: 'start' }),
    );
    open.push(...tailers);
    for (const tailer of tailers) {
      tailer.connect();
    }
    await until('all is delivered', () =>
      tailers.every(({ received }) => received.length === ALL_EVENTS),
    );
    return tailers;
  };
  const cutOff = (tailers: readonly Tailer[]): Promise<boolean> =>
    until('they are cut off', () => tailers.every(({ connected }) => !connected), 60_000);
  const found = (workspace: string, ids: readonly string[], last: string): Promise<boolean> =>
    until('they are found', async () => {
      const all = new Set((await searchAll(url, workspace, last)).map(({ id }) => id));
      return ids.every((id) => all.has(id));
    });

  it('has its subscribers told, and what comes next delivered and found', async () => {
    const { last, leftBytes } = await fill('shorter');
    const tailers = await tail('shorter');
    await kill('kafka');
    await truncate(fileOf('shorter'), leftBytes);
    await start('kafka');

    await cutOff(tailers);
    for (const answer of await answersAfter(url, 'shorter', last)) {
      assert.deepEqual([answer.recovered, answer.reason], [false, 'ahead']);
    }
    for (const tailer of tailers) {
      tailer.connect();
    }
    await until('they are told', () => tailers.every(({ complaints }) => complaints.length === 1));
    const ids = Array.from({ length: ALL_EVENTS }, (_, n) => `after-${n}`);
    const cursors: string[] = [];
    for (const id of ids) {
      cursors.push(await emitOne('shorter', id));
    }
    assert.equal(positionOf(cursors[0]), LEFT_EVENTS);
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
    await found('shorter', ids, cursors.at(-1)!);
  });

  it('is noticed also where it has grown further than it was before anybody looked', async () => {
    const { leftBytes, last } = await fill('regrown');
    const tailers = await tail('regrown');
    node.process.kill('SIGSTOP');
    await kill('kafka');
    await truncate(fileOf('regrown'), leftBytes);
    await start('kafka');
    const { KAFKA_TOPIC_PREFIX: topicPrefix = '' } = cluster.settings;
    const log = await openKafkaLog(logOptions({ topicPrefix }));
    const records = numbered(0, ALL_EVENTS);
    assert.equal(await log.append('regrown', records), LEFT_EVENTS);
    await log.close();
    node.process.kill('SIGCONT');

    await cutOff(tailers);
    const ids = records.map(({ event }) => event.id);
    await found('regrown', ids, last);
    assert.equal(await node.end(), 0);
  });
});
