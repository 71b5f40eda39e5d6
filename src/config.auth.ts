import type { Config } from './config.js';
import { addresses, httpsUrl, longText, number, port, text, type Setting } from './config.kinds.js';

/** Settings that say how callers are known, and where operators are. */
export const AUTH = {
  adminPort: {
    env: 'ADMIN_PORT',
    default: '',
    kind: port,
    allowed: '0 to 65535',
    why: 'Set, `/metrics` and `/sys` are served there, on 127.0.0.1, to whoever reaches it.',
  } satisfies Setting<number | ''>,
  authJwtSecret: {
    env: 'AUTH_JWT_SECRET',
    default: '',
    kind: longText(32),
    allowed: 'at least 32 bytes',
    why: 'Set, callers come with a JWT signed with it (HS256; RFC 7518, 3.2 tells how long it is).',
    secret: true,
  } satisfies Setting<string>,
  authJwksUrl: {
    env: 'AUTH_JWKS_URL',
    default: '',
    kind: httpsUrl,
    allowed: 'an https URL, or an http URL of this machine',
    why: 'Set, callers come with a JWT signed with a key whose public half is there.',
  } satisfies Setting<string>,
  authIssuer: {
    env: 'AUTH_ISSUER',
    default: '',
    kind: text,
    allowed: 'text',
    why: 'The `iss` that a JWT must have; it and the next are needed with `AUTH_JWKS_URL`.',
  } satisfies Setting<string>,
  authAudience: {
    env: 'AUTH_AUDIENCE',
    default: '',
    kind: text,
    allowed: 'text',
    why: 'The `aud` that a JWT must have, so that one for another service is none here.',
  } satisfies Setting<string>,
  authClockToleranceSeconds: number(
    'AUTH_CLOCK_TOLERANCE_SECONDS',
    5,
    0,
    300,
    'How far the clocks of issuer and service may be apart.',
  ),
  authTrustedProxies: {
    env: 'AUTH_TRUSTED_PROXIES',
    default: [],
    kind: addresses,
    allowed: 'addresses or CIDR networks, separated by commas',
    why: 'Gateways that authenticate, and say in headers who calls; from elsewhere nobody may.',
  } satisfies Setting<readonly string[]>,
  authWaitSeconds: number(
    'AUTH_WAIT_SECONDS',
    10,
    1,
    60,
    'How long a WebSocket may stay open without saying who it is.',
  ),
  authWarningSeconds: number(
    'AUTH_WARNING_SECONDS',
    30,
    0,
    3600,
    'How long before its credential expires a WebSocket is told.',
  ),
  authGraceSeconds: number(
    'AUTH_GRACE_SECONDS',
    25,
    0,
    300,
    'How long after that a WebSocket may still renew it, before it is closed with 4401.',
  ),
} as const;

type AuthConfig = Pick<Config, 'authJwtSecret' | 'authJwksUrl' | 'authTrustedProxies'>;

/** Whether callers have to say who they are. */
export function isAuthenticated(config: AuthConfig): boolean {
  const { authJwtSecret, authJwksUrl, authTrustedProxies } = config;
  return authJwtSecret !== '' || authJwksUrl !== '' || authTrustedProxies.length > 0;
}

/** What is wrong with settings that are each allowed by themselves. */
export function authFaults(config: Config): string[] {
  const { authJwtSecret, authJwksUrl, authIssuer, authAudience } = config;
  const faults: string[] = [];
  if (authJwtSecret !== '' && authJwksUrl !== '') {
    faults.push(
      'AUTH_JWT_SECRET and AUTH_JWKS_URL exclude each other: a public key must never be a secret',
    );
  }
  if (authJwksUrl !== '' && (authIssuer === '' || authAudience === '')) {
    faults.push(
      'AUTH_JWKS_URL needs AUTH_ISSUER and AUTH_AUDIENCE: its keys may sign tokens for others too',
    );
  }
  if (authJwtSecret === '' && authJwksUrl === '' && authIssuer + authAudience !== '') {
    faults.push('AUTH_ISSUER and AUTH_AUDIENCE need AUTH_JWT_SECRET or AUTH_JWKS_URL');
  }
  return faults;
}
