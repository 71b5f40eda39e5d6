import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { emit, request, Socket } from '../support/client.js';
import type { NodeProcess } from '../support/node.js';
import { Cluster } from './cluster.js';
import { figure } from './print.js';

const STEPS = [10, 100, 1000];

/** Workspaces that are made, or emitted to, at the same time. */
const CONCURRENCY = 16;

/** What asks, writes, reads, follows and shares the projection has together, with one broker. */
const CONNECTIONS_MAX = 20;

const MIB = 1024 * 1024;

describe('a node with a subscriber in each of a thousand workspaces', function () {
  this.timeout(300_000);

  const cluster = new Cluster();
  const sockets: Socket[] = [];
  let node: NodeProcess;

  before(async () => {
    node = await cluster.spawn();
  });
  after(async () => {
    await Promise.all(sockets.map((socket) => socket.close()));
    await cluster.stop();
  });

  /** Does something for each workspace from one number up to another, some at a time. */
  async function forEach(
    first: number,
    end: number,
    work: (n: number) => Promise<void>,
  ): Promise<void> {
    let next = first;
    const worker = async (): Promise<void> => {
      while (next < end) {
        await work(next++);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  it('has no more connections to Kafka than with ten, and delivers to each', async () => {
    const port = Number(cluster.settings.KAFKA_BROKERS?.split(':').at(-1));
    const connections: number[] = [];
    const before = await residentBytes(node);
    for (const [step, workspaces] of STEPS.entries()) {
      const began = performance.now();
      await forEach(STEPS[step - 1] ?? 0, workspaces, async (n) => {
        const socket = await Socket.open(node.url, `w${n}`);
        sockets[n] = socket;
        await socket.ask({ op: 'subscribe' });
      });
      const seconds = (performance.now() - began) / 1000;
      connections.push(await connectionsTo(port, node));
      figure(`${workspaces} workspaces`, { seconds, 'connections to Kafka': connections.at(-1)! });
    }
    const after = await residentBytes(node);
    figure('resident memory', {
      'MiB before': before / MIB,
      'MiB after': after / MIB,
      'KiB for each tail': (after - before) / STEPS.at(-1)! / 1024,
    });

    const delays: number[] = [];
    await forEach(0, sockets.length, async (n) => {
      const { ws, frames } = sockets[n]!;
      const sentAt = performance.now();
      const received = new Promise<void>((resolve) => {
        const look = (): void => {
          if (frames.at(-1)?.op === 'event') {
            delays.push(performance.now() - sentAt);
            ws.off('message', look);
            resolve();
          }
        };
        ws.on('message', look);
      });
      const { status } = await emit(node.url, `w${n}`, [{ type: 'order.paid', payload: {} }]);
      assert.equal(status, 201);
      await received;
    });
    assert.ok(
      sockets.every(({ frames }) => frames.filter(({ op }) => op === 'event').length === 1),
    );
    const sorted = Float64Array.from(delays).sort();
    const quantile = (q: number): number => sorted[Math.floor(q * sorted.length)]!;
    connections.push(await connectionsTo(port, node));
    assert.ok(Math.max(...connections) <= CONNECTIONS_MAX, String(connections));
    figure('delivery, in ms', { p50: quantile(0.5), p99: quantile(0.99) });
  });
});

async function residentBytes({ url }: NodeProcess): Promise<number> {
  const { body } = await request(`${url}/metrics`);
  return Number(/^process_resident_memory_bytes (\d+)$/m.exec(body as string)![1]);
}

/** How many connections a process has to a port, as the kernel tells (Linux). */
async function connectionsTo(port: number, { process: { pid } }: NodeProcess): Promise<number> {
  const descriptors = `/proc/${String(pid)}/fd`;
  const links = await Promise.all(
    (await readdir(descriptors)).map((name) => readlink(`${descriptors}/${name}`).catch(() => '')),
  );
  const own = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const table = await readFile(`/proc/${String(pid)}/net/tcp`, 'utf8');
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').filter((line) => {
    const [, , to = '', , , , , , , inode = ''] = line.trim().split(/\s+/);
    return to.endsWith(remote) && own.has(inode);
  }).length;
}
