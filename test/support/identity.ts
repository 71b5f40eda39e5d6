import { SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { readConfig, type Config } from '../../src/config.js';
import { request, type Reply } from './client.js';
import { UNBOUND } from './node.js';

/** How callers are known at nodes that tests start: by tokens that they sign. */
export const IDENTITY = {
  AUTH_JWT_SECRET: 'a secret of the tests, of 32 bytes or more',
  AUTH_ISSUER: 'https://issuer.example',
  AUTH_AUDIENCE: 'workspace-events',
} as const;

/** The settings of a node in this process that knows callers by tokens. */
export function identified(env: Record<string, string> = {}): Partial<Config> {
  const config = Object.entries(readConfig({ PORT: '0', ...UNBOUND, ...IDENTITY, ...env }));
  // Each node has a folder of its own.
  return Object.fromEntries(config.filter(([name]) => name !== 'dataDir'));
}

interface Signing {
  readonly claims?: JWTPayload;
  readonly secret?: string;
  readonly issuer?: string;
  readonly audience?: string;
  /** Seconds from now. */
  readonly expiresIn?: number;
}

/** A token as the issuer of the tests makes it, but for what is said otherwise. */
export function token({
  claims = {},
  secret = IDENTITY.AUTH_JWT_SECRET,
  issuer = IDENTITY.AUTH_ISSUER,
  audience = IDENTITY.AUTH_AUDIENCE,
  expiresIn = 3600,
}: Signing = {}): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn)
    .sign(Buffer.from(secret));
}

/** A token that nobody has signed, with all that is asked of one. */
export function unsigned(claims: JWTPayload): string {
  return new UnsecuredJWT(claims)
    .setIssuer(IDENTITY.AUTH_ISSUER)
    .setAudience(IDENTITY.AUTH_AUDIENCE)
    .setExpirationTime('1h')
    .encode();
}

/** The headers of a request with a credential. */
export function bearer(credential: string): { Authorization: string } {
  return { Authorization: `Bearer ${credential}` };
}

export const superadmin = (): Promise<string> =>
  token({ claims: { sub: 'root', superadmin: true } });

/** A token of a user with a role in one workspace. */
export function as(role: string, workspace: string, sub: string): Promise<string> {
  return token({ claims: { sub, workspaces: { [workspace]: role } } });
}

/** Makes a workspace, or gives it another configuration. */
export async function configure(
  url: string,
  workspace: string,
  config: unknown = {},
): Promise<Reply> {
  const headers = bearer(await superadmin());
  return request(`${url}/v2/workspaces/${workspace}`, { method: 'PUT', json: config, headers });
}

/** Makes a key; gives its id and its secret. */
export async function makeKey(
  url: string,
  workspace: string,
  json: Record<string, unknown> = { role: 'owner' },
): Promise<{ id: string; secret: string }> {
  const headers = bearer(await superadmin());
  const { body } = await request(`${url}/v2/workspaces/${workspace}/keys`, { json, headers });
  return body as { id: string; secret: string };
}

export async function revokeKey(url: string, workspace: string, id: string): Promise<Reply> {
  const headers = bearer(await superadmin());
  return request(`${url}/v2/workspaces/${workspace}/keys/${id}`, { method: 'DELETE', headers });
}
