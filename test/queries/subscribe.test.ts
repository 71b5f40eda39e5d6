import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import { Keyring } from '../../src/commands/keyring.js';
import type { EventLog } from '../../src/commands/log.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { formatCursor } from '../../src/queries/cursor.js';
import { EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { Subscriptions, type Opening, type SubscribeRequest } from '../../src/queries/subscribe.js';
import type { Subscription } from '../../src/queries/subscription.js';
import { numbered, range, sealed } from '../commands/sealed.js';
import {
  CONTEXT,
  Gate,
  STRANGER,
  withMethods,
  withWorkspaces,
  type BackEnds,
} from '../support/backends.js';
import { until } from '../until.js';
import { quotas } from '../support/quotas.js';
import { Reader } from './reader.js';

const CONFIG = { ringBytesMax: 100_000, readBytes: 2000, positionSeconds: 3600 };
const LINGER_MS = 30_000;

describe('Subscribing', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let subscriptions: Subscriptions;
  let workspace: string;
  let reader: Reader;
  let openings: Opening[];

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
  });

  beforeEach(() => {
    workspace = `w-${randomUUID()}`;
    reader = new Reader();
    openings = [];
    const keyring = new Keyring();
    const readable = { ...backEnds, workspaces, keyring, quotas: quotas(workspaces) };
    subscriptions = new Subscriptions(readable, CONFIG);
  });

  afterEach(() => {
    mock.timers.reset();
    subscriptions.close();
  });

  const open = (wish: Partial<SubscribeRequest> = {}, context = CONTEXT): Promise<Subscription> => {
    const request = { workspace, filter: EVERYTHING, from: 'now' as const, ...wish };
    return subscriptions.open(request, context, (opening) => {
      openings.push(opening);
      return reader;
    });
  };
  const append = (from: number, to: number): Promise<Position> =>
    backEnds.log.append(workspace, numbered(from, to));

  it('to a workspace that there is not makes it', async () => {
    const subscription = await open();
    const { epoch } = await workspaces.require(workspace);
    assert.deepEqual(openings, [{ epoch, start: { position: BEFORE_FIRST } }]);
    assert.deepEqual(
      subscriptions.tails().map((tail) => tail.workspace),
      [workspace],
    );
    subscription.close();
  });

  it('tells where it begins, and delivers nothing before it runs', async () => {
    const { epoch } = await workspaces.put(workspace, {}, CONTEXT);
    await append(0, 10);
    const from = { position: formatCursor(epoch, 3 as Position) };
    const subscription = await open({ from });
    assert.deepEqual(openings, [{ epoch, start: { position: 3 } }]);
    assert.equal(subscription.position, 3);
    assert.deepEqual(reader.told, []);
    const running = subscription.run();
    await append(10, 12);
    await until('all are there', () => reader.positions.length === 8);
    assert.deepEqual(reader.positions, range(4, 12));
    subscription.close();
    await running;
  });

  it('tells what is lost', async () => {
    await open({ from: { position: 'abcdefgh-7' } });
    assert.deepEqual(openings[0]!.start, { position: BEFORE_FIRST, lost: 'other-epoch' });
  });

  it('to the head delivers what there is now, and ends', async () => {
    await workspaces.put(workspace, {}, CONTEXT);
    await append(0, 10);
    const filter = parseFilter({ 'payload.number': ['3', '7', '10'] });
    const subscription = await open({ from: 'start', filter, toHead: true });
    await append(10, 12);
    await subscription.run();
    assert.deepEqual(reader.told, [3, 7, ['ended', undefined]]);
  });

  it('in the original rhythm waits between two events', async () => {
    await workspaces.put(workspace, {}, CONTEXT);
    await backEnds.log.append(workspace, [sealed(0, 0), sealed(1, 40)]);
    const subscription = await open({ from: 'start', pace: 1, toHead: true });
    const begin = performance.now();
    await subscription.run();
    assert.ok(performance.now() - begin >= 39.9);
    assert.deepEqual(reader.told, [0, 1, ['ended', undefined]]);
  });

  it('is refused to who may read nothing, and makes nothing', async () => {
    await assert.rejects(open({}, STRANGER), { code: 'forbidden' });
    assert.equal(workspaces.get(workspace), undefined);
    assert.deepEqual(subscriptions.tails(), []);
  });

  it('is refused where there is no such workspace and none may be made', async () => {
    const missing = { code: 'workspace-not-found' };
    await assert.rejects(open({ workspace: '_nowhere' }), missing);
    assert.deepEqual(subscriptions.tails(), []);
  });

  describe('to a workspace that is deleted, though its log is kept', () => {
    const deleted = { code: 'workspace-not-found' };

    it('ends, and begins anew where it is restored', async () => {
      const { epoch } = await workspaces.put(workspace, {}, CONTEXT);
      await append(0, 2);
      const running = (await open()).run();
      await workspaces.delete(workspace, CONTEXT, 3_600_000);
      await running;
      assert.deepEqual(reader.news.at(-1), ['ended', deleted.code]);
      assert.deepEqual(subscriptions.tails(), []);
      await assert.rejects(open(), { code: 'workspace-deleted' });
      await workspaces.restore(workspace, CONTEXT);
      const subscription = await open({ from: { position: formatCursor(epoch, 0 as Position) } });
      assert.deepEqual(openings.at(-1), { epoch, start: { position: 0 } });
      subscription.close();
    });

    it('is refused, where that comes while its tail is starting', async () => {
      await workspaces.put(workspace, {}, CONTEXT);
      const gate = new Gate();
      const log = withMethods<EventLog>(backEnds.log, {
        bounds: async (of) => {
          await (of === workspace ? gate.pass() : undefined);
          return backEnds.log.bounds(of);
        },
      });
      const keyring = new Keyring();
      const readable = { ...backEnds, log, workspaces, keyring, quotas: quotas(workspaces) };
      subscriptions = new Subscriptions(readable, CONFIG);
      const opening = assert.rejects(open(), deleted);
      await gate.reached;
      await workspaces.delete(workspace, CONTEXT, 3_600_000);
      gate.open();
      await opening;
      assert.deepEqual([openings, subscriptions.tails()], [[], []]);
    });
  });

  it('to the workspace of the service is allowed', async () => {
    const subscription = await open({ workspace: '_system', from: 'start', toHead: true });
    await subscription.run();
    assert.ok(reader.positions.length > 0);
  });

  it('gives the tail back when it or its subscriber fails, and when it is closed', async () => {
    await workspaces.put(workspace, {}, CONTEXT);
    mock.timers.enable({ apis: ['setTimeout'] });
    const leavesTail = (): void => {
      assert.equal(subscriptions.tails().length, 1);
      mock.timers.tick(LINGER_MS);
      assert.deepEqual(subscriptions.tails(), []);
    };
    await assert.rejects(open({ from: { position: 'x' } }), { code: 'invalid-cursor' });
    leavesTail();
    const request = { workspace, filter: EVERYTHING, from: 'now' as const };
    const failing = subscriptions.open(request, CONTEXT, () => {
      throw new Error('the socket is gone');
    });
    await assert.rejects(failing, /socket is gone/);
    leavesTail();
    const subscription = await open();
    mock.timers.tick(LINGER_MS);
    assert.equal(subscriptions.tails().length, 1);
    subscription.close();
    leavesTail();
  });
});
