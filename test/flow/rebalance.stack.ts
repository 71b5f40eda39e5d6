import assert from 'node:assert/strict';
import { AssignerProtocol } from 'kafkajs';
import { shareOf } from '../../src/projections/shares.kafka.js';
import { administer } from '../stack/admin.js';
import { kafkaWith } from '../stack/kafka.js';
import { startAlone, type Alone } from '../stack/stack.js';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import type { NodeProcess } from '../support/node.js';
import { moment, until } from '../until.js';
import { Cluster } from './cluster.js';
import { figure } from './print.js';
import { Steady, type Waits } from './steady.js';

/** As on a broker whose operator has set nothing; whoever joins a group then waits as long. */
const REBALANCE_DELAY = { 'group.initial.rebalance.delay.ms': 3000 };

/** Their shares fall to all nodes, be there two or three of them. */
const WORKSPACES = ['steady-0', 'steady-1', 'steady-2', 'steady-3', 'steady-4'];
const EVENTS_PER_SECOND = 50;
const CREATIONS = 5;
const MEASURED_MS = 4000;

/**
 * What creation, or a node that comes or goes, must not do to anybody: wait for the group, which
 * takes three seconds, also where a busy machine takes one by itself.
 */
const DELIVERY_MS_MAX = 2000;
const SEARCH_MS_MAX = 3000;
/** Of the first event of a workspace, as a rule. */
const FIRST_DELIVERY_MS = 500;

describe('where groups are slow to rebalance', function () {
  this.timeout(120_000);

  let broker: Alone;
  let cluster: Cluster;
  let nodes: NodeProcess[];
  let steady: Steady;

  before(async () => {
    broker = await startAlone(kafkaWith(() => REBALANCE_DELAY));
    cluster = new Cluster({ KAFKA_BROKERS: broker.address });
    nodes = [await cluster.spawn(), await cluster.spawn()];
    await divided(2);
    const [one, two] = nodes;
    steady = await Steady.start(one!.url, two!.url, WORKSPACES, EVENTS_PER_SECOND);
    // The very first searches wait for indices to be made, and for servers that are still cold.
    await until(
      'it runs warm',
      async () => {
        steady.take();
        await moment(MEASURED_MS);
        const { search } = steady.take();
        return search > 0 && search < SEARCH_MS_MAX / 2;
      },
      60_000,
    );
  });
  after(async () => {
    await steady.stop();
    await cluster.stop();
    await broker.stop();
  });

  /** What each member of the projection holds, by its id. */
  const members = (): Promise<Map<string, number[]>> =>
    administer(broker.address, async (admin) => {
      const { KAFKA_TOPIC_PREFIX: prefix = '' } = cluster.settings;
      const { groups } = await admin.describeGroups([`${prefix}projection`]);
      const held = groups[0]!.members.map(({ memberId, memberAssignment }) => {
        const decoded = AssignerProtocol.MemberAssignment.decode(memberAssignment);
        return [memberId, decoded?.assignment[`${prefix}_shares`] ?? []] as const;
      });
      return new Map(held);
    });

  async function divided(among: number): Promise<Map<string, number[]>> {
    return until(
      `the workspaces are divided among ${among}`,
      async () => {
        const held = await members();
        const busy = [...held.values()].filter(({ length }) => length > 0).length;
        return held.size === among && busy === among ? held : undefined;
      },
      30_000,
    );
  }

  function assertUnheld(waits: Waits): void {
    assert.ok(waits.delivery < DELIVERY_MS_MAX, JSON.stringify(waits));
    assert.ok(waits.search < SEARCH_MS_MAX, JSON.stringify(waits));
  }

  it('a new workspace is served at once, and the others go on', async () => {
    steady.take();
    await moment(MEASURED_MS);
    figure('longest waits before, in ms', { ...steady.take() });

    const firsts: Waits[] = [];
    for (let n = 0; n < CREATIONS; n++) {
      firsts.push(await firstOf(`new-${n}`));
    }
    const meanwhile = steady.take();
    const first = {
      delivery: Math.max(...firsts.map(({ delivery }) => delivery)),
      search: Math.max(...firsts.map(({ search }) => search)),
    };
    figure('longest waits meanwhile, in ms', { ...meanwhile });
    figure('longest waits for the first event of a workspace, in ms', first);
    const usual = firsts.map(({ delivery }) => delivery).toSorted((a, b) => a - b);
    assert.ok(usual[Math.floor(CREATIONS / 2)]! < FIRST_DELIVERY_MS, JSON.stringify(firsts));
    assertUnheld(first);
    assertUnheld(meanwhile);
  });

  /** Has a subscriber wait for a workspace that there is not, and then an event come. */
  async function firstOf(workspace: string): Promise<Waits> {
    const [one, two] = nodes;
    const socket = await Socket.open(two!.url, workspace);
    try {
      await socket.ask({ op: 'subscribe' });
      const sentAt = performance.now();
      const emitting = emit(one!.url, workspace, [{ type: 'order.paid', payload: {} }]);
      await socket.until('the first event is there', ({ op }) => op === 'event');
      const delivery = performance.now() - sentAt;
      const waitFor = (await emitting).body.results[0].position as string;
      const found = await request(eventsUrl(two!.url, workspace, { waitFor }));
      assert.equal(found.status, 200, JSON.stringify(found.body));
      return { delivery, search: performance.now() - sentAt };
    } finally {
      await socket.close();
    }
  }

  /** How long at most its workspaces wait for another node; a death is noticed after 10 s only. */
  const goings = { SIGTERM: 8000, SIGKILL: 20_000 } as const;
  for (const [signal, takeoverMsMax] of Object.entries(goings)) {
    it(`a node that comes, and goes by ${signal}, does not hold up what others do`, async () => {
      steady.take();
      const third = await cluster.spawn();
      const held = await divided(3);
      await moment(MEASURED_MS);
      const coming = steady.take();
      figure('longest waits while a node joins, in ms', { ...coming });
      assertUnheld(coming);

      await third.end(signal as keyof typeof goings);
      const left = await divided(2);
      await moment(MEASURED_MS);
      const gone = [...held].flatMap(([member, shares]) => (left.has(member) ? [] : shares));
      const taken = WORKSPACES.filter((id) => gone.includes(shareOf(id)));
      const kept = WORKSPACES.filter((id) => !taken.includes(id));
      assert.ok(taken.length > 0 && kept.length > 0);
      const [others, own] = [steady.take(kept), steady.take(taken)];
      figure(`longest waits while it goes by ${signal}, in ms`, { ...others });
      figure('the same, of the workspaces that it has projected', { ...own });
      assertUnheld(others);
      assert.ok(own.delivery < DELIVERY_MS_MAX, JSON.stringify(own));
      assert.ok(own.search < takeoverMsMax, JSON.stringify(own));
    });
  }
});
