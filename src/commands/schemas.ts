import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** The path of a file in `schemas/`, wherever the service was started from. */
export function schemaFile(name: string): URL {
  return new URL(`../../../schemas/${name}`, import.meta.url);
}

function contract(name: string): Record<string, unknown> {
  return parse(readFileSync(schemaFile(name), 'utf8')) as Record<string, unknown>;
}

/** The HTTP API: routes, requests and the schema of an event, all from one file. */
export const openapi = contract('openapi.yaml');

/** The WebSocket frames; refers to the schemas of the HTTP API. */
export const asyncapi = contract('asyncapi.yaml');
