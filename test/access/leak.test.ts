import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Event, Json, Target } from '../../src/event.js';
import { EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { filterArbitrary, recordsArbitrary } from '../queries/filter.arbitrary.js';
import { oracle } from '../queries/filter.oracle.js';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import { bearer, configure, identified, superadmin, token } from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';
import { random, seed } from '../support/random.js';
import { EVENTS, READINGS } from './readings.js';

const ROLES = 200;
/** As many as one configuration may have. */
const ROLES_AT_ONCE = 50;
const WORKSPACE = 'w';

interface Person {
  readonly sub: string;
  readonly sid: string;
  readonly topics: readonly string[];
}
const PEOPLE: readonly Person[] = [
  { sub: 'u1', sid: 's1', topics: ['news'] },
  { sub: 'u2', sid: 's2', topics: [] },
  { sub: 'u3', sid: 's1', topics: ['news', 'late'] },
];

/** A role, with who holds it. */
interface Holding {
  readonly name: string;
  /** `member` for the one that is built in: as a filter, a text is none. */
  readonly read: Json | undefined;
  readonly person: Person;
}

interface Standing {
  readonly event: Event;
  readonly position: number;
}

/** What a role means, word by word; nothing of it is shared with the code that it judges. */
function mayRead({ read, person }: Holding, { event, position }: Standing): boolean {
  const { target = {} } = event;
  const names: Record<keyof Target, readonly string[]> = {
    userId: [person.sub],
    sessionId: [person.sid],
    connectionId: [],
    topic: person.topics,
  };
  const fields = Object.keys(target) as (keyof Target)[];
  const isForMe = fields.every((field) => names[field].includes(target[field]!));
  if (read === undefined) {
    return false;
  }
  if (read === 'member') {
    return isForMe && (fields.length > 0 || event.source.userId === person.sub);
  }
  const isAll = read === true || parseFilter(read).key === EVERYTHING.key;
  return isAll || (isForMe && oracle(read, event, position));
}

describe('What one may not read', function () {
  this.timeout(300_000);

  const start = seed();
  const draw = random(start);
  const oneOf = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)]!;
  const filters = fc.sample(filterArbitrary, { seed: start, numRuns: ROLES });
  const holdings: Holding[] = filters.map((filter, n) => ({
    name: `r${n}`,
    read: oneOf<Json | undefined>([
      filter,
      filter,
      filter,
      filter,
      filter,
      'member',
      true,
      undefined,
    ]),
    person: oneOf(PEOPLE),
  }));
  let node: TestNode;
  let root: string;

  before(async () => {
    node = await startNode(identified());
    root = await superadmin();
    await configure(node.url, WORKSPACE);
  });
  after(() => node.stop());

  function target(): Target | undefined {
    return oneOf<Target | undefined>([
      undefined,
      undefined,
      { userId: oneOf(PEOPLE).sub },
      { sessionId: oneOf(PEOPLE).sid },
      { topic: oneOf(['news', 'late', 'other']) },
      { connectionId: 'nobody' },
      { userId: oneOf(PEOPLE).sub, topic: oneOf(['news', 'late']) },
    ]);
  }

  /** Emits so many random events, each in the name of somebody, and gives the ids. */
  async function emitSome(count: number, prefix: string): Promise<string[]> {
    const [records] = fc.sample(recordsArbitrary(count), { seed: start, numRuns: 1 });
    const ids: string[] = [];
    for (const [n, { event }] of records!.entries()) {
      const { type, time, payload } = event;
      const { sub, sid } = oneOf(PEOPLE);
      const claims = { sub, sid, workspaces: { [WORKSPACE]: 'member' } };
      const to = target();
      const id = `${prefix}${n}`;
      const draft = { id, type, time, payload, ...(to && { target: to }) };
      const headers = { ...bearer(await token({ claims })), 'X-Correlation-Id': id };
      const { status, body } = await emit(node.url, WORKSPACE, [draft], headers);
      assert.equal(status, 201, JSON.stringify(body));
      ids.push(id);
    }
    return ids;
  }

  /** All events as they were recorded. */
  async function recorded(): Promise<Standing[]> {
    const headers = bearer(root);
    const query = { from: 'start', limit: '1000' };
    const { body } = await request(eventsUrl(node.url, WORKSPACE, query), { headers });
    await request(eventsUrl(node.url, WORKSPACE, { waitFor: body.cursor as string }), { headers });
    return (body.events as { position: string; event: Event }[]).map(({ position, event }) => ({
      event,
      position: Number(position.split('-')[1]),
    }));
  }

  function credentialOf({ name, read, person }: Holding): Promise<string> {
    const role = read === 'member' ? 'member' : name;
    return token({ claims: { ...person, workspaces: { [WORKSPACE]: role } } });
  }

  async function grant(some: readonly Holding[]): Promise<void> {
    const roles = some.map(({ name, read }) => {
      return [name, read === undefined || read === 'member' ? {} : { read }] as const;
    });
    const { status } = await configure(node.url, WORKSPACE, { roles: Object.fromEntries(roles) });
    assert.equal(status, 200);
  }

  it(`one does not receive, and what one may one does, in every way (SEED=${start})`, async () => {
    await emitSome(EVENTS, 'e');
    const all = await recorded();
    assert.equal(all.length, EVENTS);
    let [shown, hidden] = [0, 0];
    for (let at = 0; at < ROLES; at += ROLES_AT_ONCE) {
      const some = holdings.slice(at, at + ROLES_AT_ONCE);
      await grant(some);
      for (const holding of some) {
        const allowed = all.filter((standing) => mayRead(holding, standing));
        const expected = allowed.map(({ event }) => event.id);
        shown += expected.length;
        hidden += EVENTS - expected.length;
        const credential = await credentialOf(holding);
        for (const [way, read] of Object.entries(READINGS)) {
          const found = await read(node.url, WORKSPACE, credential).catch(
            (error: unknown) => (error as Error).message,
          );
          const told = Array.isArray(found) ? found.toSorted() : found;
          const right = holding.read === undefined ? 'forbidden' : expected.toSorted();
          assert.deepEqual(told, right, `${way}, ${JSON.stringify(holding)}`);
        }
      }
    }
    process.stdout.write(`      ${ROLES} roles, ${shown} shown, ${hidden} hidden\n`);
    assert.ok(Math.min(shown, hidden) > (ROLES * EVENTS) / 20, 'one answer is too rare');
  });

  it('one does not receive live, nor after one’s role has changed', async () => {
    const readers = holdings.slice(0, ROLES_AT_ONCE).filter(({ read }) => read !== undefined);
    await grant(readers);
    const open = await Promise.all(
      readers.map(async (holding) => {
        const socket = await Socket.open(node.url, WORKSPACE, bearer(await credentialOf(holding)));
        const { subscription } = await socket.ask({ op: 'subscribe' });
        return { socket, holding, subscription: subscription as string };
      }),
    );
    const before = await emitSome(20, 'before');
    // Everybody whose role is not built in has the one of the next from here on.
    const next = readers.map((holding, n) => {
      const { read } = readers.slice(n + 1).find(isDefined) ?? readers.find(isDefined)!;
      return isDefined(holding) ? { ...holding, read } : holding;
    });
    await grant(next);
    const after = await emitSome(20, 'after');
    const all = await recorded();
    for (const [n, { socket, holding, subscription }] of open.entries()) {
      // The answer comes behind all that was delivered.
      await socket.ask({ op: 'unsubscribe', subscription });
      const expected = all
        .filter(({ event }) => [...before, ...after].includes(event.id))
        .filter((standing) => {
          const isBefore = before.includes(standing.event.id);
          return mayRead(isBefore ? holding : next[n]!, standing);
        })
        .map(({ event }) => event.id);
      const found = socket.events(subscription).map(({ event }) => event.id as string);
      assert.deepEqual(found, expected, `${JSON.stringify(holding)} ${JSON.stringify(next[n])}`);
      await socket.close();
    }
  });
});

function isDefined({ read }: Holding): boolean {
  return read !== 'member';
}
