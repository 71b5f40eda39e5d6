import { kill, start, type Name } from '../stack/servers.js';
import { readLog, type Logged } from '../support/log.js';
import { random, seed } from '../support/random.js';
import { moment } from '../until.js';
import { Cluster } from './cluster.js';
import { WORKSPACE, type Target } from './producer.js';
import {
  assertDelivered,
  assertHistorized,
  assertKept,
  assertNotTruncated,
  assertOrdered,
} from './promises.js';
import { Recovery } from './recovery.js';

const KILLS = 10;

/** From a restart to the next kill: sometimes before history has caught up, sometimes after. */
const LIFE_MS_MAX = 5000;
const DOWN_MS_MAX = 1000;

/** How long before a kill the producers begin to send all they can. */
const HURRY_MS_MAX = 300;

interface Victim {
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** Where to look whether it works again. */
  readonly target: Target;
}

function server(name: Name): (cluster: Cluster) => Victim {
  return (cluster) => ({
    kill: () => kill(name),
    start: () => start(name),
    target: cluster,
  });
}

const VICTIMS: Record<string, (cluster: Cluster, draw: () => number) => Victim> = {
  'one of them': ({ nodes }, draw) => {
    const node = nodes[Math.floor(draw() * nodes.length)]!;
    return { kill: () => node.kill(), start: () => node.start(), target: node };
  },
  Kafka: server('kafka'),
  Elasticsearch: server('elasticsearch'),
};

for (const [name, choose] of Object.entries(VICTIMS)) {
  describe(`two nodes under load, while ${name} is killed again and again`, function () {
    this.timeout(900_000);
    const number = seed();
    const draw = random(number);
    const recovery = new Recovery();
    let cluster: Cluster;
    let log: Logged[];

    before(async () => {
      cluster = await Cluster.start(draw);
      cluster.produce();
      let living = new AbortController();
      const measured: Promise<void>[] = [];
      for (let killed = 0; killed < KILLS; killed++) {
        await moment(draw() * LIFE_MS_MAX);
        cluster.hurries = true;
        await moment(draw() * HURRY_MS_MAX);
        living.abort();
        const victim = choose(cluster, draw);
        await victim.kill();
        cluster.hurries = false;
        await moment(draw() * DOWN_MS_MAX);
        living = new AbortController();
        const starting = victim.start();
        measured.push(recovery.measure(cluster, starting, victim.target, living.signal));
        await starting;
      }
      await Promise.all(measured);
      await cluster.stopProducing();
      log = await readLog(cluster.url, WORKSPACE);
      const told = `${name} killed ${KILLS} times, SEED=${number}: ${recovery.summary()}`;
      process.stdout.write(`    ${told}\n`);
    });
    after(() => cluster.dispose());

    it('has every event that was acknowledged, at its position', () => {
      for (const producer of cluster.producers) {
        assertKept(producer, log, name === 'Kafka');
      }
    });

    it('has the events in the order in which they were sent', () => {
      for (const producer of cluster.producers) {
        assertOrdered(producer, log);
      }
    });

    it('gives subscribers that come back anywhere every event once', async () => {
      await assertDelivered(cluster, log);
    });

    it('has historized every event once', async () => {
      await assertHistorized(cluster, log);
    });

    it('takes nothing for lost', async () => {
      await assertNotTruncated(cluster);
    });
  });
}
