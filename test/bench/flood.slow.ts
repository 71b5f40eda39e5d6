import { connect, type Socket } from 'node:net';
import { attack, attacking } from './flood.attack.js';

/**
 * Connections that take a socket each and ask for next to nothing: a third sends nothing, a third a
 * byte of a request head each second, a third a byte of the body that a known caller emits. Those
 * that the server closes are opened again, but no more of them a second than so many.
 */
interface Asked {
  readonly url: string;
  readonly workspace: string;
  readonly credential: string;
  readonly connections: number;
}

export interface Slowed {
  /** Open connections, on the average. */
  readonly open: number;
  /** How many the server has closed. */
  readonly closed: number;
}

/** A byte a second on each connection, spread over the second. */
const TICK_MS = 10;
const TURNS = 1000 / TICK_MS;
const OPENED_PER_TICK = 10;
const REOPENED_PER_TICK = 2;
/** More than the server waits for, at a byte a second. */
const BODY_BYTES = 1_000;

/** What is sent at once, and what byte by byte. */
interface Sending {
  readonly atOnce: string;
  readonly slowly: string;
}

const { url, workspace, credential, connections } = JSON.parse(process.argv[2] ?? '') as Asked;
const { hostname, port } = new URL(url);
const head =
  `POST /v2/workspaces/${workspace}/events HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
  `Content-Type: application/json\r\nContent-Length: ${String(BODY_BYTES)}\r\n` +
  `Authorization: Bearer ${credential}\r\n\r\n`;
const body = `{"type":"bench.tick","payload":{"text":"${'x'.repeat(BODY_BYTES)}"}}`;
const KINDS: readonly Sending[] = [
  { atOnce: '', slowly: '' },
  { atOnce: '', slowly: head },
  { atOnce: head, slowly: body },
];

interface Slot {
  readonly sending: Sending;
  socket?: Socket | undefined;
  sent: number;
}

const slots = Array.from({ length: connections }, (_, index): Slot => ({
  sending: KINDS[index % KINDS.length]!,
  sent: 0,
}));
const vacant = new Set(slots);
let closed = 0;
let ticks = 0;
let openTicks = 0;
let isUnderWay = false;

function open(slot: Slot): void {
  vacant.delete(slot);
  const socket = connect(Number(port), hostname);
  slot.socket = socket.setNoDelay(true).resume();
  slot.sent = 0;
  socket.write(slot.sending.atOnce);
  // The server may close it at any time, which is news only to the count.
  socket.on('error', () => undefined);
  socket.once('close', () => {
    closed++;
    slot.socket = undefined;
    vacant.add(slot);
  });
}

function sendByte(slot: Slot): void {
  const byte = slot.sending.slowly[slot.sent++];
  if (byte !== undefined) {
    slot.socket?.write(byte);
  }
}

attack((): Slowed => ({ open: Math.round(openTicks / ticks), closed }));
setInterval(() => {
  const opened = isUnderWay ? REOPENED_PER_TICK : OPENED_PER_TICK;
  for (const slot of [...vacant].slice(0, opened)) {
    open(slot);
  }
  for (let index = ticks % TURNS; index < slots.length; index += TURNS) {
    sendByte(slots[index]!);
  }
  ticks++;
  openTicks += connections - vacant.size;
  if (!isUnderWay && ticks * OPENED_PER_TICK >= connections) {
    isUnderWay = true;
    ticks = 0;
    openTicks = 0;
    closed = 0;
    attacking();
  }
}, TICK_MS);
