import { createHash, createSecretKey } from 'node:crypto';
import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyOptions } from 'jose';
import { Bounded } from '../bounded.js';
import type { Config } from '../config.js';
import { ServiceError } from '../errors.js';
import { expired, type Caller } from '../policy.js';
import { callerOf } from './claims.js';

/**
 * Tokens that were verified, by their hash, so that none is kept: a client comes with the same one
 * many times, and to verify it takes tens of microseconds, or a hundred for RSA, and a turn of the
 * event loop. Each costs less than a kilobyte.
 */
const TOKENS_CACHED_MAX = 10_000;
/** So a key that is no longer in the set counts no longer than this. */
const TOKEN_CACHED_MS_MAX = 10 * 60 * 1000;

/** How long keys are used before they are fetched again. */
const KEYS_CACHED_MS = 10 * 60 * 1000;
/** One that is unknown is looked for at once, but no more often, however many tokens name such. */
const KEYS_COOLDOWN_MS = 10_000;
const KEYS_FETCH_MS_MAX = 5000;

/** Only those with a private half: a public key must never count as the secret of an HMAC. */
const ASYMMETRIC = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

type Verify = (token: string) => Promise<{ payload: Record<string, unknown> }>;

type TokenConfig = Pick<
  Config,
  'authJwtSecret' | 'authJwksUrl' | 'authIssuer' | 'authAudience' | 'authClockToleranceSeconds'
>;

/** Verifies JSON Web Tokens (RFC 7519), signed with a secret or with a key of a set. */
export class Tokens {
  readonly #verify: Verify | undefined;
  readonly #toleranceMs: number;
  readonly #known = new Bounded<string, { caller: Caller; until: number }>(TOKENS_CACHED_MAX);

  constructor(config: TokenConfig) {
    this.#verify = verifierOf(config);
    this.#toleranceMs = config.authClockToleranceSeconds * 1000;
  }

  /**
   * Who comes with a token.
   *
   * @throws ServiceError `unauthorized` for a token that does not count, and `unavailable` where
   *   the keys to verify it cannot be had.
   */
  async callerWith(token: string): Promise<Caller> {
    if (!this.#verify) {
      throw new ServiceError('unauthorized', 'This service takes no tokens. Come without one.');
    }
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(hash);
    if (known && known.until > Date.now()) {
      return known.caller;
    }
    this.#known.delete(hash);
    const { payload } = await this.#verify(token).catch((error: unknown) => {
      throw toldAs(error);
    });
    const expiresAt = (payload.exp as number) * 1000 + this.#toleranceMs;
    const caller = { ...callerOf(payload), expiresAt };
    this.#known.set(hash, { caller, until: Math.min(expiresAt, Date.now() + TOKEN_CACHED_MS_MAX) });
    return caller;
  }
}

function verifierOf(config: TokenConfig): Verify | undefined {
  const { authJwtSecret, authJwksUrl, authIssuer, authAudience } = config;
  const options: JWTVerifyOptions = {
    requiredClaims: ['exp'],
    clockTolerance: config.authClockToleranceSeconds,
    ...(authIssuer !== '' && { issuer: authIssuer }),
    ...(authAudience !== '' && { audience: authAudience }),
  };
  if (authJwtSecret !== '') {
    const secret = createSecretKey(Buffer.from(authJwtSecret));
    return (token) => jwtVerify(token, secret, { ...options, algorithms: ['HS256'] });
  }
  if (authJwksUrl !== '') {
    const keys = createRemoteJWKSet(new URL(authJwksUrl), {
      cacheMaxAge: KEYS_CACHED_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
      timeoutDuration: KEYS_FETCH_MS_MAX,
    });
    return (token) => jwtVerify(token, keys, { ...options, algorithms: ASYMMETRIC });
  }
  return undefined;
}

/** What is wrong with a token; that the keys are not to be had is no fault of it. */
function toldAs(error: unknown): ServiceError {
  if (error instanceof errors.JWTExpired) {
    return expired();
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error;
    const message = `The token is not for this service: its claim ${claim} does not fit.`;
    return new ServiceError('unauthorized', message, { cause: error });
  }
  const isOfToken = OF_TOKEN.some((type) => error instanceof type);
  return isOfToken
    ? new ServiceError('unauthorized', 'The token is none, or its signature does not count.', {
        cause: error,
      })
    : new ServiceError('unavailable', 'The keys to verify tokens with cannot be had now.', {
        cause: error,
      });
}

const OF_TOKEN = [
  errors.JWSInvalid,
  errors.JWTInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
];
