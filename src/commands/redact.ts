import { BlockList, isIP } from 'node:net';
import type { Json, JsonObject, Source } from '../event.js';

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

/** What every event has is not redacted: without it, it could not be told where one came from. */
const KEPT = new Set(['workspaceId', 'correlationId', 'connectionId']);

/** A copy of a source without the fields at paths as `source.ip` and `source.*`. */
export function redactSource(source: Source, paths: readonly string[]): Source {
  const names = paths
    .filter((path) => path.startsWith('source.'))
    .map((path) => path.slice('source.'.length));
  if (names.length === 0) {
    return source;
  }
  const isShown = (name: string): boolean =>
    KEPT.has(name) || !(names.includes('*') || names.includes(name));
  return Object.fromEntries(
    Object.entries(source).filter(([name]) => isShown(name)),
  ) as unknown as Source;
}

/**
 * A copy of the payload without the values at the given dotted paths. `*` stands for any one key,
 * whole where it holds dots, and for any place in a list; lists are stepped through also where no
 * `*` says so, and a key may hold dots itself: whatever a filter would find at a path is removed.
 * What is not named is shared with the original, not copied.
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
  return paths
    .filter((path) => path.startsWith('payload.'))
    .reduce<JsonObject>(
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
    const rests = path[0] === '*' ? [path, path.slice(1)] : [path];
    return value.map((item) => through(item, rests, replacement) ?? null);
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const entries = Object.entries(value).map(([key, child]) => {
    const rests = restsAfter(key, path);
    return { key, child, rests };
  });
  if (entries.every(({ rests }) => rests.length === 0)) {
    return value;
  }
  // Through entries, since assignment to a key like __proto__ would not make an own property.
  return Object.fromEntries(
    entries.flatMap(({ key, child, rests }) => {
      const replaced = through(child, rests, replacement);
      return replaced === undefined ? [] : [[key, replaced]];
    }),
  );
}

/** Steps on by several paths, one after the other. */
function through(
  value: Json,
  paths: readonly (readonly string[])[],
  replacement: (value: Json) => Json | undefined,
): Json | undefined {
  return paths.reduce<Json | undefined>(
    (left, path) => (left === undefined ? undefined : step(left, path, replacement)),
    value,
  );
}

/** Of a key with more segments than a path can have, the rest is for a `*` at most. */
const KEY_SEGMENTS_MAX = 64;

/**
 * What is left of a path behind a key: a key that holds dots can be several segments of it, and
 * each `*` one of them or more. So `{"items.a": …}` is found as `{"items": {"a": …}}` is.
 */
function restsAfter(key: string, path: readonly string[]): (readonly string[])[] {
  if (!key.includes('.')) {
    return path[0] === key || path[0] === '*' ? [path.slice(1)] : [];
  }
  // How much of the path the segments so far can be.
  let taken = new Set([0]);
  for (const segment of key.split('.', KEY_SEGMENTS_MAX)) {
    const next = new Set<number>();
    for (const count of taken) {
      if (path[count] === segment || path[count] === '*') {
        next.add(count + 1);
      }
      if (path[count - 1] === '*') {
        next.add(count);
      }
    }
    taken = next;
  }
  return [...taken].map((count) => path.slice(count));
}
