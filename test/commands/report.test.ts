import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import type { Context } from '../../src/commands/context.js';
import type { EventLog } from '../../src/commands/log.js';
import { ErrorReporter } from '../../src/commands/report.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { ServiceError } from '../../src/errors.js';
import type { Event } from '../../src/event.js';
import { logger } from '../../src/logger.js';
import { metrics } from '../../src/metrics.js';
import { CONTEXT, withMethods, withWorkspaces } from '../support/backends.js';
import { until } from '../until.js';
import { range, readAll } from './sealed.js';

describe('An error', () => {
  let log: EventLog;
  let workspaces: Workspaces;
  let reporter: ErrorReporter;
  let context: Context;
  let workspace: string;

  withWorkspaces((backEnds, opened) => {
    ({ log } = backEnds);
    workspaces = opened;
  });

  beforeEach(async () => {
    reporter = new ErrorReporter(log, workspaces);
    workspace = `w-${randomUUID()}`;
    context = { ...CONTEXT, correlationId: randomUUID() };
    await workspaces.put(workspace, {}, CONTEXT);
  });

  afterEach(() => {
    mock.restoreAll();
  });

  /** The error events of this test in a workspace. */
  const events = async (of: string): Promise<Event[]> =>
    (await readAll(log, of))
      .map(({ event }) => event)
      .filter(
        ({ type, source }) => type === 'error' && source.correlationId === context.correlationId,
      );
  const counted = async (): Promise<number> => (await metrics.errors.get()).values[0]!.value;
  const broken = new TypeError('cannot read the password of undefined');

  it('that was foreseen is told as it is, and is nobody else’s concern', async () => {
    const log_ = mock.method(logger, 'error', () => undefined);
    const before = await counted();
    const foreseen = new ServiceError('forbidden', 'You may not.');
    assert.equal(reporter.toldAs(foreseen, context, workspace), foreseen);
    assert.equal(log_.mock.callCount(), 0);
    assert.equal(await counted(), before);
    assert.deepEqual([...(await events(workspace)), ...(await events('_system'))], []);
  });

  it('that was not foreseen is told without a word of what it was', () => {
    for (const error of [broken, 'text', undefined, null, { code: 'forbidden' }]) {
      const told = reporter.toldAs(error, context, workspace);
      assert.equal(told.code, 'internal-error');
      assert.equal(told.message, `Internal Error. Its correlation id is ${context.correlationId}.`);
      assert.equal(told.cause, undefined);
      assert.equal(told.errors, undefined);
    }
  });

  it('that was not foreseen is logged with its stack, and counted', async () => {
    const log_ = mock.method(logger, 'error', () => undefined);
    const before = await counted();
    reporter.toldAs(broken, context, workspace);
    assert.equal(await counted(), before + 1);
    const { correlationId } = context;
    assert.deepEqual(log_.mock.calls[0]!.arguments[0], {
      err: broken,
      correlationId,
      workspaceId: workspace,
    });
  });

  it('that was not foreseen becomes an event of the workspace and of the service', async () => {
    reporter.toldAs(broken, context, workspace);
    for (const of of [workspace, '_system']) {
      const [event, ...more] = await until(`it is in ${of}`, async () => {
        const found = await events(of);
        return found.length > 0 && found;
      });
      assert.deepEqual(more, []);
      assert.deepEqual(event!.error, {
        code: 'internal-error',
        message: `Internal Error. Its correlation id is ${context.correlationId}.`,
      });
      assert.deepEqual([event!.workspaceId, event!.payload], [of, {}]);
      assert.doesNotMatch(JSON.stringify(event), /password|TypeError/);
    }
  });

  it('becomes one event where it is of the service, or of no workspace that there is', async () => {
    const ofEach: (string | undefined)[] = ['_system', undefined, 'nowhere', '_deadletters'];
    for (const of of ofEach) {
      reporter.toldAs(broken, context, of);
    }
    const found = await until('all are told', async () => {
      const all = await events('_system');
      return all.length === ofEach.length && all;
    });
    assert.ok(found.every(({ workspaceId }) => workspaceId === '_system'));
    assert.equal(workspaces.get('nowhere'), undefined);
  });

  it('becomes an event ten times a second at most, however often it is met', async () => {
    let now = 1_000_000_000_000;
    mock.method(Date, 'now', () => now);
    let appends = 0;
    const counting = withMethods(log, {
      append: (...args) => {
        appends++;
        return log.append(...args);
      },
    });
    reporter = new ErrorReporter(counting, workspaces);
    for (const second of range(0, 3)) {
      now = 1_000_000_000_000 + 1000 * second;
      range(0, 50).forEach(() => reporter.toldAs(broken, context));
      assert.equal(appends, 10 * (second + 1));
    }
  });

  it('of the log itself is logged, and reports no further error', async () => {
    const log_ = mock.method(logger, 'error', () => undefined);
    let appends = 0;
    const failing = withMethods(log, {
      append: () => {
        appends++;
        return Promise.reject(new Error('no room'));
      },
    });
    const before = await counted();
    new ErrorReporter(failing, workspaces).toldAs(broken, context, workspace);
    await until('both appends have failed', () => log_.mock.callCount() === 3);
    assert.equal(appends, 2);
    assert.equal(await counted(), before + 1);
    assert.deepEqual(
      log_.mock.calls.map(({ arguments: [, message] }) => message as unknown),
      ['unexpected error', 'cannot emit an error', 'cannot emit an error'],
    );
  });
});
