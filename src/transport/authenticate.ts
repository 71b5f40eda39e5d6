import type { IncomingMessage } from 'node:http';
import type { Keys } from '../commands/keys.js';
import { isKey } from '../commands/keys.js';
import { isAuthenticated } from '../config.auth.js';
import type { Config } from '../config.js';
import { ServiceError } from '../errors.js';
import { ANONYMOUS, SUPERADMIN_CALLER, type Caller } from '../policy.js';
import { claimed } from './claims.js';
import { Gateways } from './gateway.js';
import { nameIn, single } from './headers.js';
import { Tokens } from './tokens.js';

/** Begins the subprotocol that carries a credential: pages cannot set headers of a WebSocket. */
const BEARER_PROTOCOL = 'bearer.';

/** Says who a request is from. */
export interface Authenticator {
  /**
   * @throws ServiceError `unauthorized` for a credential that does not count: whoever shows one is
   *   never taken for somebody without.
   */
  callerOf(request: IncomingMessage): Promise<Caller>;
  /** Who comes with a credential that was sent otherwise, a token or an API key. */
  callerWith(credential: string): Promise<Caller>;
}

/** By tokens, API keys and gateways, as configured. */
export function authenticator(config: Config, keys: Keys): Authenticator {
  const tokens = new Tokens(config);
  const gateways = new Gateways(config.authTrustedProxies);
  const isOpen = !isAuthenticated(config);
  const callerWith = (credential: string): Promise<Caller> =>
    isKey(credential) ? keys.callerWith(credential) : tokens.callerWith(credential);
  return {
    callerWith,
    callerOf: async (request) => {
      const credentials = credentialsIn(request);
      const passed = gateways.callerOf(request);
      const [credential] = credentials;
      if (credentials.length + (passed ? 1 : 0) > 1) {
        throw new ServiceError('unauthorized', 'There is more than one credential. Send one.');
      }
      if (credential !== undefined) {
        return callerWith(credential);
      }
      return passed ?? (isOpen ? everybody(request) : ANONYMOUS);
    },
  };
}

/** For a listener that operators alone reach. */
export const OPERATORS: Authenticator = {
  callerOf: () => Promise.resolve(SUPERADMIN_CALLER),
  callerWith: () => Promise.resolve(SUPERADMIN_CALLER),
};

/** Without authentication, callers say themselves in whose name they act. */
function everybody(request: IncomingMessage): Caller {
  const userId = nameIn(request, 'x-user-id');
  const sessionId = nameIn(request, 'x-session-id');
  return claimed({ userId, sessionId, superadmin: true });
}

function credentialsIn(request: IncomingMessage): string[] {
  const authorization = single(request, 'authorization');
  const bearer = /^Bearer +([^\s]+)$/i.exec(authorization ?? '')?.[1];
  if (authorization !== undefined && bearer === undefined) {
    throw new ServiceError('unauthorized', 'Authorization must be Bearer with a token or a key.');
  }
  const key = single(request, 'x-api-key');
  if (key !== undefined && !isKey(key)) {
    throw new ServiceError('unauthorized', 'X-API-Key has no API key of this service.');
  }
  const protocol = protocolsOf(request).find(isBearer);
  return [bearer, key, protocol?.slice(BEARER_PROTOCOL.length)].filter(
    (credential) => credential !== undefined,
  );
}

/** The subprotocols that a WebSocket offers. */
function protocolsOf({ headers }: IncomingMessage): string[] {
  return (headers['sec-websocket-protocol'] ?? '').split(',').map((item) => item.trim());
}

function isBearer(protocol: string): boolean {
  return protocol.startsWith(BEARER_PROTOCOL);
}
