import assert from 'node:assert/strict';
import { CATALOGUE, type ErrorCode } from '../src/errors.js';
import { registry } from '../src/metrics.js';
import { SYSTEM_WORKSPACE } from '../src/policy.js';
import { LIMITS, TARGET, type Attack, type Known } from './hardening/attack.js';
import { BODY_ATTACKS, CONFIG_ATTACKS } from './hardening/bodies.js';
import { CLOUDEVENT_ATTACKS, DRAFT_ATTACKS, LINE_ATTACKS } from './hardening/events.js';
import { FRAME_ATTACKS, OPENING, type Met } from './hardening/frames.js';
import { HTTP_ATTACKS } from './hardening/http.js';
import { CURSOR_ATTACKS, FILTER_ATTACKS, PARAMETER_ATTACKS } from './hardening/queries.js';
import { emit, eventsUrl, request, Socket } from './support/client.js';
import { firstSaid, type Said } from './support/frame.js';
import { startNode, type TestNode } from './support/node.js';
import { exchange, type RawResponse } from './support/raw.js';

const ATTACKS: Readonly<Record<string, readonly Attack[]>> = {
  'as HTTP': HTTP_ATTACKS,
  'as a body': BODY_ATTACKS,
  'as an event': DRAFT_ATTACKS,
  'as a line of a stream': LINE_ATTACKS,
  'as a CloudEvent': CLOUDEVENT_ATTACKS,
  'as a parameter': PARAMETER_ATTACKS,
  'as a cursor': CURSOR_ATTACKS,
  'as a filter': FILTER_ATTACKS,
  'to the service itself': CONFIG_ATTACKS,
};

/** A refusal, wherever in an answer it stands. */
interface Refusal {
  readonly code: ErrorCode;
  readonly text: string;
}

describe('Hostile input', () => {
  let node: TestNode;
  let witness: Socket;
  let subscription: string;
  let known: Known;
  let errorsBefore: number;

  before(async () => {
    errorsBefore = await errorsTotal();
    node = await startNode(LIMITS);
    const { body } = await emit(node.url, 'other', [{ type: 'a', payload: {} }]);
    await emit(node.url, TARGET, [{ id: 'e1', type: 'a', payload: {} }]);
    const { epoch } = await node.service.log.bounds(TARGET);
    known = { epoch, foreign: body.results[0].position as string };
    witness = await Socket.open(node.url, 'witness');
    ({ subscription } = await witness.ask({ op: 'subscribe' }));
  });

  after(async () => {
    await witness.close();
    await node.stop();
  });

  /** Who shares the node with the attacker still emits and receives. */
  afterEach(async () => {
    const seen = witness.events(subscription).length;
    const { status } = await emit(node.url, 'witness', [{ type: 'alive', payload: {} }]);
    assert.equal(status, 201);
    await witness.until('the event has come', () => witness.events(subscription).length > seen);
  });

  async function meet(attack: Attack): Promise<void> {
    const { bytes, breaksOff = false, status, code, says, tells = {}, records = 0 } = attack;
    const sent = typeof bytes === 'function' ? bytes(known) : bytes;
    const { next } = await node.service.log.bounds(TARGET);
    const [response] = await exchange(node.url, sent, breaksOff);
    assert.ok(response, 'there was no answer');
    assert.equal(response.status, status, response.body);
    assertHarmless(response);
    if (code !== undefined) {
      const refusal = refusalIn(response);
      assert.equal(refusal.code, code, response.body);
      assert.match(refusal.text, says ?? /never without a hint/, response.body);
    }
    for (const [field, value] of Object.entries(tells)) {
      assert.deepEqual(JSON.parse(response.body)[field], value);
    }
    assert.equal((await node.service.log.bounds(TARGET)).next - next, records);
  }

  for (const [group, attacks] of Object.entries(ATTACKS)) {
    describe(group, () => {
      for (const attack of attacks) {
        it(attack.attack, () => meet(attack));
      }
    });
  }

  describe('as a frame', () => {
    for (const { attack, opening = OPENING, frames = Buffer.alloc(0), met } of FRAME_ATTACKS) {
      it(attack, async () => {
        const wanted = 'error' in met ? 'error' : undefined;
        assertMet(await firstSaid(node.url, opening, frames, wanted), met);
      });
    }
  });

  describe('in the end', () => {
    it('has made no workspace', async () => {
      const { body } = await request(`${node.url}/v2/workspaces`);
      const names = (body.workspaces as { id: string }[]).map(({ id }) => id);
      assert.deepEqual(names.toSorted(), ['other', TARGET, 'witness']);
    });

    it('has been no surprise: no error was unexpected, and none was reported', async () => {
      assert.equal(await errorsTotal(), errorsBefore);
      const { body } = await request(
        eventsUrl(node.url, SYSTEM_WORKSPACE, { from: 'start', type: 'error' }),
      );
      assert.deepEqual(body.events, []);
    });
  });
});

async function errorsTotal(): Promise<number> {
  const metric = await registry.getSingleMetric('errors_total')?.get();
  return metric?.values[0]?.value ?? 0;
}

function assertMet(said: Said, met: Met): void {
  if ('refused' in met) {
    assert.ok('refused' in said, JSON.stringify(said));
    assert.equal(said.refused.status, met.refused);
    assertHarmless(said.refused);
    const { code, text } = refusalIn(said.refused);
    assert.equal(code, met.code);
    assert.match(text, met.says);
  } else if ('closed' in met) {
    assert.deepEqual(said, met);
  } else if ('op' in met) {
    assert.ok('message' in said && said.message.op === met.op, JSON.stringify(said));
    for (const [field, value] of Object.entries(met.tells ?? {})) {
      assert.deepEqual(said.message[field], value);
    }
  } else {
    assert.ok('message' in said, JSON.stringify(said));
    const { op, code, message, id } = said.message;
    assert.deepEqual({ op, code, id }, { op: 'error', code: met.error, id: met.id });
    assert.match(message as string, met.says);
  }
}

/** Nothing of the request gets into a header, and nothing of the inside gets out. */
function assertHarmless({ status, headers, body }: RawResponse): void {
  assert.ok(status < 500, body);
  for (const name of headers.keys()) {
    assert.ok(HEADERS.has(name), `the header ${name} was not expected`);
  }
  assert.doesNotMatch(body, /node_modules|\.[jt]s:\d/);
  assert.match(headers.get('x-correlation-id') ?? '', /^[\w.:-]{1,128}$/);
}

const HEADERS = new Set([
  'allow',
  'cache-control',
  'connection',
  'content-length',
  'content-security-policy',
  'content-type',
  'cross-origin-resource-policy',
  'date',
  'projection-lag-events',
  'referrer-policy',
  'retry-after',
  'strict-transport-security',
  'transfer-encoding',
  'vary',
  'x-accel-buffering',
  'x-content-type-options',
  'x-correlation-id',
  'x-frame-options',
]);

/** A problem that is as the catalogue says, or what a batch or a stream says of its first fault. */
function refusalIn({ status, headers, body }: RawResponse): Refusal {
  const answer = JSON.parse(body);
  if (headers.get('content-type') === 'application/problem+json') {
    const code = answer.code as ErrorCode;
    const { type, title, correlationId } = answer;
    assert.deepEqual(
      { type, title, status: answer.status, correlationId },
      {
        type: `urn:workspace-events:error:${code}`,
        title: CATALOGUE[code].title,
        status: CATALOGUE[code].status,
        correlationId: headers.get('x-correlation-id'),
      },
    );
    assert.equal(answer.status, status);
    return { code, text: answer.detail };
  }
  const items = (answer.results ?? answer.errors) as { error?: object; code?: string }[];
  const item = items.map((result) => result.error ?? result).find((found) => 'code' in found);
  assert.ok(item, body);
  const { code, message } = item as { code: ErrorCode; message: string };
  return { code, text: message };
}
