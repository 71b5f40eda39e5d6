import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { asyncapi, openapi } from '../../src/commands/schemas.js';
import { isDateTime } from '../../src/commands/validate.js';

/** What of an operation of OpenAPI is looked at here. */
export interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, Response>>;
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly example?: unknown }>>;
  };
}
interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, unknown>>;
}

export const paths = openapi.paths as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
const shared = openapi.components as { responses: Readonly<Record<string, Response>> };

const ajv = new Ajv2020({ allErrors: true, strict: false });
ajv.addFormat('date-time', isDateTime);
ajv.addSchema(closed(openapi) as object, 'openapi.yaml');
ajv.addSchema(closed(asyncapi) as object, 'asyncapi.yaml');

/** A copy in which an object has no other fields than those described: else they would be told. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(closed);
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const copy = Object.fromEntries(Object.entries(value).map(([key, of]) => [key, closed(of)]));
  const isSchema = copy.type === 'object' && 'properties' in copy;
  return isSchema ? { additionalProperties: false, ...copy } : copy;
}

/** The operation behind a request; `undefined` where the description has none. */
export function operationOf(method: string, path: string): Operation | undefined {
  const [, methods] =
    Object.entries(paths).find(([template]) => {
      return new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path);
    }) ?? [];
  return methods?.[method.toLowerCase()];
}

const PROBLEM = 'application/problem+json';

/**
 * Fails where an answer is none that schemas/openapi.yaml has for the request: in its status, its
 * content type or its body.
 */
export function assertDescribed(
  { method, path }: { method: string; path: string },
  { status, type, body }: { status: number; type: string; body: unknown },
): void {
  const where = `${method} ${path} ${status} ${type}`;
  const operation = operationOf(method, path);
  if (!operation) {
    assert.ok(status === 404 || status === 405, `${where}: there is no such operation`);
    valid('openapi.yaml#/components/schemas/Problem', body, where);
    return;
  }
  const at = String(status) in operation.responses ? String(status) : 'default';
  const response = operation.responses[at];
  const named = response?.$ref?.split('/').at(-1);
  const { content = {} } = named === undefined ? (response ?? {}) : shared.responses[named]!;
  if (type === '') {
    assert.deepEqual(Object.keys(content), [], `${where}: there is no body`);
    return;
  }
  assert.ok(type in content, `${where}: not described, but ${Object.keys(content).join(', ')}`);
  assert.equal(type === PROBLEM, status >= 400 && !isEmitted(body), where);
  const root =
    named === undefined
      ? ['paths', pathOf(operation), method.toLowerCase(), 'responses', at]
      : ['components', 'responses', named];
  valid(pointer([...root, 'content', type, 'schema']), body, where);
}

/** What became of a batch is no problem, even where nothing of it went in. */
function isEmitted(body: unknown): boolean {
  return typeof body === 'object' && body !== null && ('results' in body || 'accepted' in body);
}

function pathOf(operation: Operation): string {
  return Object.keys(paths).find((path) => Object.values(paths[path]!).includes(operation))!;
}

function pointer(steps: readonly string[]): string {
  const escaped = steps.map((step) => {
    return encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'));
  });
  return `openapi.yaml#/${escaped.join('/')}`;
}

/** Fails where a frame is none that schemas/asyncapi.yaml lets the server send. */
export function assertFrameDescribed(frame: unknown): void {
  const { op } = frame as { op: string };
  assert.ok(serverOps.includes(op), `${op} is no operation of the server`);
  valid(`asyncapi.yaml#/components/schemas/${op}`, frame, op);
}

/** Fails where a line is none that a cleanup answers with. */
export function assertLineDescribed(line: unknown): void {
  valid('openapi.yaml#/components/schemas/CleanupLine', line, 'a line of a cleanup');
}

const operations = asyncapi.operations as Readonly<
  Record<string, { messages: readonly { $ref: string }[] }>
>;

const opsOf = (name: string): readonly string[] =>
  operations[name]!.messages.map(({ $ref }) => $ref.split('/').at(-1)!);

/** What the server may send, and what it takes. */
export const serverOps = opsOf('serverFrames');
export const clientOps = opsOf('clientFrames');

const compiled = new Map<string, ValidateFunction>();

function valid(schema: string, value: unknown, where: string): void {
  let validate = compiled.get(schema);
  if (!validate) {
    validate = ajv.compile({ $ref: schema });
    compiled.set(schema, validate);
  }
  assert.ok(validate(value), `${where}: ${ajv.errorsText(validate.errors)}`);
}
