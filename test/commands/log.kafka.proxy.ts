import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { KAFKA_BROKERS } from '../stack/servers.js';

/** What becomes of what the broker answers, and of new connections. */
type Mode = 'pass' | 'swallow' | 'refuse';

/** A broker that can be made to fail: it stands between a log and the real one. */
export class Proxy {
  /** What a log has sent through it, and was sent. */
  sentBytes = 0;
  receivedBytes = 0;
  #mode: Mode = 'pass';
  #answersToLose = 0;
  #stalledTopic: string | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #broker: { host: string; port: number };

  private constructor(host: string, port: number) {
    this.#broker = { host, port };
    this.#server = createServer((client) => {
      this.#accept(client);
    });
  }

  static async open(): Promise<Proxy> {
    const { hostname, port } = new URL(`kafka://${KAFKA_BROKERS.split(',')[0]!}`);
    const proxy = new Proxy(hostname, Number(port));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get address(): string {
    return `${this.#broker.host}:${String(this.#port)}`;
  }

  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Requests reach the broker, and nobody hears of it. */
  swallowAnswers(): void {
    this.#mode = 'swallow';
  }

  /** The next answer does not come: the connection ends instead. */
  loseAnswer(): void {
    this.#answersToLose = 1;
  }

  /** A broker that is slow to write to a topic serves nothing else on that connection. */
  stallAppendsTo(topic: string): void {
    this.#stalledTopic = topic;
  }

  /** As a broker that has ended. */
  refuse(): void {
    this.#mode = 'refuse';
    this.#cut();
  }

  /** As a broker that is back. */
  restore(): void {
    this.#mode = 'pass';
    this.#cut();
  }

  async close(): Promise<void> {
    this.#cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #accept(client: Socket): void {
    if (this.#mode === 'refuse') {
      client.destroy();
      return;
    }
    const broker = connect(this.#broker);
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      if (this.#stalledTopic !== undefined && isProduce(chunk, this.#stalledTopic)) {
        client.pause();
        return;
      }
      this.sentBytes += chunk.length;
      broker.write(chunk);
    });
    broker.on('data', (chunk: Buffer) => {
      if (this.#mode === 'swallow') {
        return;
      }
      if (this.#answersToLose > 0) {
        this.#answersToLose--;
        client.destroy();
        return;
      }
      this.receivedBytes += chunk.length;
      client.write(this.#asOwn(chunk));
    });
  }

  /** Brokers tell where they are: in its place comes where this one is, which is as long. */
  #asOwn(chunk: Buffer): Buffer {
    const { host, port } = this.#broker;
    const found = chunk.indexOf(Buffer.concat([Buffer.from(host), int32(port)]));
    if (found >= 0) {
      int32(this.#port).copy(chunk, found + host.length);
    }
    return chunk;
  }
}

/** A request begins with its length, then the number of its API: 0 is Produce. */
function isProduce(chunk: Buffer, topic: string): boolean {
  return chunk.length > 6 && chunk.readInt16BE(4) === 0 && chunk.includes(topic);
}

function int32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
}
