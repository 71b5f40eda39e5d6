import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { Bounded } from '../bounded.js';
import type { Caller } from '../policy.js';
import { claimed, isName, isUser } from './claims.js';
import { nameIn, refuseHeader, single } from './headers.js';

const HEADERS = ['x-user-id', 'x-session-id', 'x-superadmin', 'x-workspaces', 'x-topics'] as const;

/** A caller is worked out once for the same headers; each takes less than a kilobyte. */
const CALLERS_CACHED_MAX = 10_000;

/**
 * Gateways that authenticate. Whoever comes through one is who its headers say; the address of the
 * socket alone tells a gateway, since everything else can be written by everybody.
 */
export class Gateways {
  readonly #trusted = new BlockList();
  readonly #known = new Bounded<string, Caller>(CALLERS_CACHED_MAX);

  constructor(addresses: readonly string[]) {
    for (const item of addresses) {
      const [address = '', prefix] = item.split('/');
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
      if (prefix === undefined) {
        this.#trusted.addAddress(address, family);
      } else {
        this.#trusted.addSubnet(address, Number(prefix), family);
      }
    }
  }

  /**
   * Who the gateway says is calling; `undefined` where it is none, or says nothing.
   *
   * @throws ServiceError `invalid-request` for a header that cannot be taken.
   */
  callerOf(request: IncomingMessage): Caller | undefined {
    if (!this.#isTrusted(request.socket.remoteAddress)) {
      return undefined;
    }
    const values = HEADERS.map((field) => single(request, field));
    if (values.every((value) => value === undefined)) {
      return undefined;
    }
    const key = JSON.stringify(values);
    let caller = this.#known.get(key);
    if (!caller) {
      caller = read(request);
      this.#known.set(key, caller);
    }
    return caller;
  }

  #isTrusted(remote = ''): boolean {
    // A dual-stack socket reports IPv4 peers as ::ffff:a.b.c.d.
    const address = remote.replace(/^::ffff:(?=\d+\.)/i, '');
    const family = isIP(address);
    return family > 0 && this.#trusted.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

function read(request: IncomingMessage): Caller {
  const superadmin = single(request, 'x-superadmin');
  if (superadmin !== undefined && superadmin !== 'true' && superadmin !== 'false') {
    refuseHeader('x-superadmin', 'must be true or false');
  }
  return claimed({
    userId: nameIn(request, 'x-user-id', isUser),
    sessionId: nameIn(request, 'x-session-id'),
    superadmin: superadmin === 'true',
    workspaces: listed(request, 'x-workspaces').map(roleIn),
    topics: listed(request, 'x-topics').map((topic) => {
      return isName(topic) ? topic : refuseHeader('x-topics', 'must be names between commas');
    }),
  });
}

function listed(request: IncomingMessage, field: string): string[] {
  const text = single(request, field) ?? '';
  return text.trim() === '' ? [] : text.split(',').map((item) => item.trim());
}

function roleIn(item: string): [workspace: string, role: string] {
  const [, workspace, role] = /^([\w-]{1,100})=([\w-]{1,100})$/.exec(item) ?? [];
  return workspace === undefined || role === undefined
    ? refuseHeader('x-workspaces', 'must be pairs as w1=owner between commas')
    : [workspace, role];
}
