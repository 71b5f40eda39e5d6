import type { Reply } from '../support/client.js';
import {
  bearer,
  configure,
  makeKey,
  revokeKey,
  superadmin,
  token,
  unsigned,
} from '../support/identity.js';

export const WORKSPACE = 'w';
/** Deleted now and then; whoever has a role in the one has it in the other. */
export const SPARE = 'spare';

/** Reads orders, emits nothing, and audits. */
const CLERK = { read: { type: 'order.*' }, manage: ['audit'] };
export const CONFIG = { roles: { clerk: CLERK } };

/** Whose credential counts. */
export const KNOWN = [
  ...['superadmin', 'owner', 'editor', 'member', 'none', 'clerk'],
  ...['key of an owner', 'key of an owner of another workspace'],
] as const;

/** Whose credential does not, whatever it says. */
export const REFUSED = [
  ...['expired', 'of another issuer', 'for another audience', 'with a bad signature'],
  ...['with no signature', 'revoked key', 'no token at all'],
] as const;

const OWNER = { sub: 'mallory', superadmin: true, workspaces: { [WORKSPACE]: 'owner' } };

/** One credential of each kind of caller there is; that of nobody is absent. */
export async function credentials(url: string): Promise<Map<string, string | undefined>> {
  await spare(url);
  await configure(url, WORKSPACE, CONFIG);
  await configure(url, 'other');
  const inBoth = (role: string): Promise<string> =>
    token({ claims: { sub: role, workspaces: { [WORKSPACE]: role, [SPARE]: role } } });
  const own = await makeKey(url, WORKSPACE);
  const other = await makeKey(url, 'other');
  const revoked = await makeKey(url, WORKSPACE);
  await revokeKey(url, WORKSPACE, revoked.id);
  return new Map([
    ['anonymous', undefined],
    ['superadmin', await superadmin()],
    ['owner', await inBoth('owner')],
    ['editor', await inBoth('editor')],
    ['member', await inBoth('member')],
    ['none', await inBoth('none')],
    ['clerk', await inBoth('clerk')],
    ['key of an owner', own.secret],
    ['key of an owner of another workspace', other.secret],
    ['expired', await token({ claims: OWNER, expiresIn: -10 })],
    ['of another issuer', await token({ claims: OWNER, issuer: 'https://other.example' })],
    ['for another audience', await token({ claims: OWNER, audience: 'other' })],
    ['with a bad signature', await token({ claims: OWNER, secret: 'x'.repeat(32) })],
    ['with no signature', unsigned(OWNER)],
    ['revoked key', revoked.secret],
    ['no token at all', 'abc'],
  ]);
}

/** Makes the spare workspace, which may have been deleted. */
export function spare(url: string): Promise<Reply> {
  return configure(url, SPARE, CONFIG);
}

export function headersOf(credential: string | undefined): Record<string, string> {
  return credential === undefined ? {} : bearer(credential);
}
