import { BlockList, isIP } from 'node:net';
import type { Json, JsonObject } from '../event.js';

/** Addresses that name a machine inside somebody's network: RFC 1918, 6598, 3927, 4193, 4291. */
const privateAddresses = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv4');
}
privateAddresses.addSubnet('fc00::', 7, 'ipv6');
privateAddresses.addSubnet('fe80::', 10, 'ipv6');
privateAddresses.addAddress('::1', 'ipv6');

/** A public address as it is; nothing for a private one or for what is no address. */
export function redactIp(ip = ''): string | undefined {
  // A dual-stack socket reports IPv4 peers as ::ffff:a.b.c.d.
  const address = ip.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(address);
  const isPrivate = privateAddresses.check(address, family === 6 ? 'ipv6' : 'ipv4');
  return family === 0 || isPrivate ? undefined : address;
}

/**
 * A copy of the payload without the values at the given dotted paths; `*` stands for any one key,
 * arrays are stepped through, and a key may hold dots itself: whatever a filter would find at a
 * path is removed. What is not named is shared with the original, not copied.
 */
export function redact(payload: JsonObject, paths: readonly string[]): JsonObject {
  return replaceAt(payload, paths, () => undefined);
}

/** As `redact`, but with a replacement for each value; `undefined` removes it. */
export function replaceAt(
  payload: JsonObject,
  paths: readonly string[],
  replacement: (value: Json) => Json | undefined,
): JsonObject {
  return paths.reduce<JsonObject>(
    (result, path) => step(result, path.split('.').slice(1), replacement) as JsonObject,
    payload,
  );
}

function step(
  value: Json,
  path: readonly string[],
  replacement: (value: Json) => Json | undefined,
): Json | undefined {
  if (path.length === 0) {
    return replacement(value);
  }
  if (Array.isArray(value)) {
    return value.map((item) => step(item, path, replacement) ?? null);
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const isAny = path[0] === '*';
  const named = path
    .map((_, at) => path.slice(0, at + 1).join('.'))
    .filter((key) => Object.hasOwn(value, key));
  if (!isAny && named.length === 0) {
    return value;
  }
  // Through entries, since assignment to a key like __proto__ would not make an own property.
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, child]) => {
      if (!isAny && !named.includes(key)) {
        return [[key, child]];
      }
      const rest = path.slice(isAny ? 1 : key.split('.').length);
      const replaced = step(child, rest, replacement);
      return replaced === undefined ? [] : [[key, replaced]];
    }),
  );
}
