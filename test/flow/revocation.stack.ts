import assert from 'node:assert/strict';
import { request } from '../support/client.js';
import {
  bearer,
  configure,
  IDENTITY,
  makeKey,
  revokeKey,
  superadmin,
  token,
} from '../support/identity.js';
import type { NodeProcess } from '../support/node.js';
import { until } from '../until.js';
import { Cluster } from './cluster.js';
import { stayConnected } from './revocation.js';

/** Within that, what was revoked on one node has ended on every other. */
const END_MS_MAX = 1000;

describe('What is revoked on one node', function () {
  this.timeout(60_000);

  const cluster = new Cluster(IDENTITY);
  let one: NodeProcess;
  let two: NodeProcess;

  before(async () => {
    [one, two] = [await cluster.spawn(), await cluster.spawn()];
  });
  after(() => cluster.stop());

  /** Opens connections on the other node, takes the right to them away, and looks at their ends. */
  async function endings(
    workspace: string,
    credential: string,
    revoke: () => Promise<{ status: number }>,
  ): Promise<(string | number)[]> {
    await until('the other node lets the caller in', async () => {
      const headers = bearer(credential);
      const { status } = await request(`${two.url}/v2/workspaces/${workspace}/events`, { headers });
      return status === 200;
    });
    const ended = await stayConnected(two.url, workspace, credential);
    const since = performance.now();
    const [ends, { status }] = await Promise.all([ended(since), revoke()]);
    assert.ok(status < 300, String(status));
    const told = ends.map(({ way, code, ms }) => `${way} ${code} after ${ms} ms`);
    process.stdout.write(`      ${told.join(', ')}\n`);
    assert.ok(Math.max(...ends.map(({ ms }) => ms)) < END_MS_MAX, told.join(', '));
    return ends.map(({ code }) => code);
  }

  it('as a key, ends what is open with it on the other', async () => {
    await configure(one.url, 'keyed');
    const { id, secret } = await makeKey(one.url, 'keyed', { role: 'editor' });
    assert.deepEqual(await endings('keyed', secret, () => revokeKey(one.url, 'keyed', id)), [
      4401,
      'unauthorized',
      'unauthorized',
    ]);
  });

  it('as a membership, ends what is open by it on the other', async () => {
    await configure(one.url, 'joined', { members: { u1: 'editor' } });
    const credential = await token({ claims: { sub: 'u1' } });
    assert.deepEqual(await endings('joined', credential, () => configure(one.url, 'joined')), [
      4403,
      'forbidden',
      'forbidden',
    ]);
  });

  it('as a workspace that is deleted, ends its keys and what is open with them', async () => {
    await configure(one.url, 'gone');
    const { secret } = await makeKey(one.url, 'gone', { role: 'owner' });
    const headers = bearer(await superadmin());
    const codes = await endings('gone', secret, () =>
      request(`${one.url}/v2/workspaces/gone?grace=0`, { method: 'DELETE', headers }),
    );
    assert.deepEqual(codes.slice(0, 2), [4401, 'workspace-not-found']);
    // A poll that comes as the key has just gone is told of that.
    assert.ok(['workspace-not-found', 'unauthorized'].includes(String(codes[2])), String(codes[2]));
  });
});
