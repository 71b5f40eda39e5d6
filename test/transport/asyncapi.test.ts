import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import { Ajv } from 'ajv';
import type { WebSocket } from 'ws';
import { asyncapi } from '../../src/commands/schemas.js';
import type { Position } from '../../src/event.js';
import { FrameSocket, subscriberOn } from '../../src/transport/framesocket.js';
import { request, Socket } from '../support/client.js';
import { assertFrameDescribed, clientOps, serverOps } from '../support/described.js';
import { bearer, identified, superadmin, token } from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';

const DRAFT = { type: 'order.paid', payload: { total: 12 } };

describe('The description of the WebSocket', () => {
  let node: TestNode;
  let socket: Socket;

  before(async () => {
    const settings = { positionSeconds: 1, autoCreateWorkspaces: true };
    node = await startNode({ ...identified(), ...settings });
    socket = await Socket.open(node.url, 'walk');
    // It expires so soon that this is told at once.
    const short = await token({ claims: { superadmin: true }, expiresIn: 20 });
    await socket.ask({ op: 'authenticate', token: short });
  });
  after(async () => {
    await socket.close();
    await node.stop();
  });

  it('is valid AsyncAPI 3.0', () => {
    const path = createRequire(import.meta.url).resolve(
      '@asyncapi/specs/schemas/3.0.0-without-$id.json',
    );
    const ajv = new Ajv({ strict: false, validateFormats: false });
    const validate = ajv.compile(JSON.parse(readFileSync(path, 'utf8')) as object);
    assert.ok(validate(asyncapi), ajv.errorsText(validate.errors));
  });

  it('has the operations that are taken, and no other', async () => {
    const { message } = await socket.ask({ op: 'none' });
    assert.equal(message, `op must be one of ${clientOps.join(', ')}.`);
  });

  it('has every frame that is answered', async () => {
    // A socket holds every frame that it receives to the description.
    const { subscription } = await socket.ask({ op: 'subscribe', filter: { type: 'order.*' } });
    await socket.ask({ op: 'emit', events: [{ ...DRAFT, id: 'w-1' }] });
    await socket.ask({ op: 'emit', events: [DRAFT, { ...DRAFT, id: 'w-1' }, null] });
    await socket.ask({ op: 'subscribe', from: { position: 'aaaaaaaa-1' } });
    await socket.until('a position has come', ({ op }) => op === 'position');
    await socket.ask({ op: 'unsubscribe', subscription });
    await socket.ask({ op: 'unsubscribe', subscription });
    const headers = bearer(await superadmin());
    await request(`${node.url}/v2/workspaces/walk`, { method: 'DELETE', headers });
    await socket.until('the token expires', ({ op }) => op === 'expiring');
    await socket.until('the other subscription has ended', ({ op }) => op === 'ended');
    const seen = new Set(socket.frames.map(({ op }) => op));
    // It takes the loss of events that are being read, which here are never lost.
    assert.deepEqual(
      serverOps.filter((op) => !seen.has(op)),
      ['recovery'],
    );
  });

  it('has the frame that tells of a loss', () => {
    const wire = new PassThrough({ encoding: 'latin1' });
    const openSocket = { readyState: 1, OPEN: 1 } as unknown as WebSocket;
    const out = new FrameSocket(openSocket, wire, 1000);
    subscriberOn(out, 's1', 'aaaaaaaa', () => undefined).lost('expired', 7 as Position);
    const sent = wire.read() as string;
    const frame = JSON.parse(sent.slice(sent.indexOf('{'))) as Record<string, unknown>;
    assertFrameDescribed(frame);
    const { op, recovered, reason, first } = frame;
    assert.deepEqual(
      { op, recovered, reason, first },
      { op: 'recovery', recovered: false, reason: 'expired', first: 'aaaaaaaa-7' },
    );
  });
});
