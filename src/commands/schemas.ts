import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';

function contract(name: string): Record<string, unknown> {
  const file = new URL(`../../../schemas/${name}`, import.meta.url);
  return load(readFileSync(file, 'utf8')) as Record<string, unknown>;
}

/** The HTTP API: routes, requests and the schema of an event, all from one file. */
export const openapi = contract('openapi.yaml');

/** The WebSocket frames; refers to the schemas of the HTTP API. */
export const asyncapi = contract('asyncapi.yaml');
