import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTPayload,
} from 'jose';
import { mock } from 'node:test';
import { readConfig } from '../../src/config.js';
import { Tokens } from '../../src/transport/tokens.js';
import { IDENTITY, token, unsigned } from '../support/identity.js';

const SECRET = readConfig({ ...IDENTITY });
const refusal = (message: RegExp): object => ({ code: 'unauthorized', message });

describe('A token signed with the secret', () => {
  const tokens = new Tokens(SECRET);

  it('says who is calling', async () => {
    const claims = {
      sub: 'u1',
      sid: 's1',
      workspaces: { w: 'owner', __proto__: 'x' },
      topics: ['news'],
    };
    const { expiresAt, ...caller } = await tokens.callerWith(await token({ claims }));
    assert.deepEqual(caller, {
      superadmin: false,
      userId: 'u1',
      sessionId: 's1',
      workspaces: new Map([['w', 'owner']]),
      topics: ['news'],
    });
    assert.ok(Math.abs(expiresAt! - Date.now() - 3_605_000) < 5000);
    const root = await tokens.callerWith(await token({ claims: { superadmin: true } }));
    assert.equal(root.superadmin, true);
  });

  it('is verified once, and its caller is one object', async () => {
    const text = await token({ claims: { sub: 'u1' } });
    assert.equal(await tokens.callerWith(text), await tokens.callerWith(text));
    const again = await token({ claims: { sub: 'u1' }, expiresIn: 1800 });
    assert.notEqual(await tokens.callerWith(text), await tokens.callerWith(again));
  });

  it('counts no longer than it says, however well it is known', async () => {
    const text = await token({ claims: { sub: 'u1' }, expiresIn: 60 });
    await tokens.callerWith(text);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 66_000 });
    try {
      await assert.rejects(tokens.callerWith(text), refusal(/has expired/));
    } finally {
      mock.timers.reset();
    }
  });

  const sign = (claims: JWTPayload, alg = 'HS256'): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg })
      .setIssuer(IDENTITY.AUTH_ISSUER)
      .setAudience(IDENTITY.AUTH_AUDIENCE)
      .sign(Buffer.from(IDENTITY.AUTH_JWT_SECRET));
  const soon = (): number => Math.floor(Date.now() / 1000) + 60;

  const refused: Record<string, [make: () => string | Promise<string>, message: RegExp]> = {
    'that has expired': [() => token({ expiresIn: -6 }), /has expired/],
    'without an end': [() => sign({}), /claim exp/],
    'of another issuer': [() => token({ issuer: 'x' }), /claim iss/],
    'for another audience': [() => token({ audience: 'x' }), /claim aud/],
    'from the future': [() => sign({ exp: soon(), nbf: soon() - 30 }), /claim nbf/],
    'with another signature': [() => token({ secret: 'y'.repeat(32) }), /signature/],
    'with no signature': [() => unsigned({ superadmin: true }), /signature/],
    'signed otherwise': [() => sign({ exp: soon() }, 'HS512'), /signature/],
    'that is none': [() => 'a.b.c', /is none/],
    'that is empty': [() => '', /is none/],
    'whose user is no text': [() => sign({ exp: soon(), sub: 3 as unknown as string }), /sub/],
    'whose user looks like a key': [() => token({ claims: { sub: 'key:1' } }), /claim sub/],
    'whose user has a line break': [() => token({ claims: { sub: 'a\nb' } }), /claim sub/],
    'whose session is empty': [() => token({ claims: { sid: '' } }), /claim sid/],
    'that is nearly a superadmin’s': [
      () => token({ claims: { superadmin: 'true' } }),
      /superadmin/,
    ],
    'with a list of workspaces': [() => token({ claims: { workspaces: ['w'] } }), /workspaces/],
    'with a role that is no name': [
      () => token({ claims: { workspaces: { w: 1 } } }),
      /workspaces/,
    ],
    'with one topic': [() => token({ claims: { topics: 'news' } }), /topics/],
  };
  for (const [what, [make, message]] of Object.entries(refused)) {
    it(`is refused where it is one ${what}`, async () => {
      await assert.rejects(tokens.callerWith(await make()), refusal(message));
    });
  }

  it('is refused where no tokens are taken', async () => {
    const none = new Tokens(readConfig({}));
    await assert.rejects(none.callerWith(await token()), refusal(/takes no tokens/));
  });

  it('counts within the tolerance for clocks', async () => {
    const late = await token({ expiresIn: -3 });
    assert.equal((await tokens.callerWith(late)).superadmin, false);
  });
});

describe('A token signed with a key of a set', () => {
  let server: Server;
  let url: string;
  let keys: JWK[] = [];
  let fetched = 0;
  let status = 200;

  before(async () => {
    server = createServer((_, response) => {
      fetched++;
      response.statusCode = status;
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    [keys, fetched, status] = [[], 0, 200];
  });

  const opened = (): Tokens => {
    const { AUTH_ISSUER, AUTH_AUDIENCE } = IDENTITY;
    return new Tokens(readConfig({ AUTH_ISSUER, AUTH_AUDIENCE, AUTH_JWKS_URL: url }));
  };
  async function pair(kid: string, alg = 'ES256'): Promise<{ jwk: JWK; privateKey: CryptoKey }> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    return { jwk: { ...(await exportJWK(publicKey)), kid, alg }, privateKey };
  }
  const sign = (key: CryptoKey | Uint8Array, kid: string, alg = 'ES256'): Promise<string> =>
    new SignJWT({ sub: 'u1' })
      .setProtectedHeader({ alg, kid })
      .setIssuer(IDENTITY.AUTH_ISSUER)
      .setAudience(IDENTITY.AUTH_AUDIENCE)
      .setExpirationTime('5m')
      .sign(key);

  it('says who is calling, with RSA and with elliptic curves', async () => {
    const tokens = opened();
    const [a, b] = [await pair('a', 'RS256'), await pair('b')];
    keys = [a.jwk, b.jwk];
    for (const text of [await sign(a.privateKey, 'a', 'RS256'), await sign(b.privateKey, 'b')]) {
      assert.equal((await tokens.callerWith(text)).userId, 'u1');
    }
    assert.equal(fetched, 1);
  });

  it('counts when its key is new, and the set is not fetched for every unknown key', async () => {
    const tokens = opened();
    const [old, fresh] = [await pair('old'), await pair('fresh')];
    keys = [old.jwk];
    await tokens.callerWith(await sign(old.privateKey, 'old'));
    keys = [fresh.jwk];
    const text = await sign(fresh.privateKey, 'fresh');
    for (let tries = 0; tries < 5; tries++) {
      await assert.rejects(tokens.callerWith(text), refusal(/signature/));
    }
    assert.equal(fetched, 1);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 10_001 });
    try {
      assert.equal((await tokens.callerWith(text)).userId, 'u1');
      assert.equal(fetched, 2);
      await assert.rejects(
        tokens.callerWith(await sign(old.privateKey, 'old')),
        refusal(/signature/),
      );
    } finally {
      mock.timers.reset();
    }
  });

  it('does not count where the public key is taken for a secret', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true });
    keys = [{ ...(await exportJWK(publicKey)), kid: 'a' }];
    const secret = Buffer.from(await exportSPKI(publicKey));
    const tokens = opened();
    await assert.rejects(tokens.callerWith(await sign(secret, 'a', 'HS256')), refusal(/signature/));
    await assert.rejects(tokens.callerWith(unsigned({})), refusal(/signature/));
  });

  it('is not refused, but to be sent again, where the keys are not to be had', async () => {
    const { privateKey } = await pair('a');
    const text = await sign(privateKey, 'a');
    status = 500;
    await assert.rejects(opened().callerWith(text), { code: 'unavailable' });
    url = 'http://127.0.0.1:1/keys';
    await assert.rejects(opened().callerWith(text), { code: 'unavailable' });
  });
});
