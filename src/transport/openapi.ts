import { OpenAPIBackend, type Document, type Operation } from 'openapi-backend';
import { openapi } from '../commands/schemas.js';
import { faults, isDateTime } from '../commands/validate.js';
import { ServiceError, type Fault } from '../errors.js';

/** The parameters of a request. Those of the query are coerced to their types in place. */
export interface Parameters {
  readonly params: Record<string, string>;
  readonly query: Record<string, unknown>;
  readonly headers: NodeJS.Dict<string | string[]>;
}

const backend = new OpenAPIBackend({
  definition: openapi as unknown as Document,
  quick: true,
  strict: true,
  ajvOpts: { verbose: true },
  customizeAjv: (ajv) => {
    ajv.addFormat('date-time', isDateTime);
    return ajv;
  },
});
await backend.init();

/** Every operation of `schemas/openapi.yaml`; the routes are made from them. */
export const operations: readonly (Operation & { operationId: string })[] = backend
  .getOperations()
  .map((operation) => {
    if (operation.operationId === undefined) {
      throw new Error(`${operation.method} ${operation.path} has no operationId`);
    }
    return { ...operation, operationId: operation.operationId };
  });

/** The query parameters of an operation that are lists, since they may be repeated. */
const lists = new Map(
  operations.map(({ operationId, parameters = [] }) => [
    operationId,
    (parameters as readonly { name: string; schema?: { type?: unknown } }[])
      .filter(({ schema }) => schema?.type === 'array')
      .map(({ name }) => name),
  ]),
);

/*
 * Requests are validated with the validators that openapi-backend has compiled for each operation:
 * one for the body where there is one, then one for the parameters. They are called as they are,
 * since the router has already taken the request apart, and letting the library match and parse it
 * a second time costs more than a small emit (`test/bench/validation.ts`).
 */

/** @throws ServiceError `invalid-request` */
export function checkParameters(operationId: string, given: Parameters): void {
  const { params, query, headers } = given;
  const repeatable = lists.get(operationId) ?? [];
  for (const name of repeatable) {
    // Said once, it is a list of one.
    if (query[name] !== undefined) {
      query[name] = [query[name]].flat();
    }
  }
  const validate = backend.validator.getRequestValidatorsForOperation(operationId).at(-1);
  if (validate && !validate({ path: params, query, header: headers, cookie: {} })) {
    const found = faults(validate.errors).map(({ path, message }) => {
      const name = path.replace(/^(query|path|header)\./, '');
      const isRepeated = Array.isArray(query[name]) && !repeatable.includes(name);
      return { path: name, message: isRepeated ? 'is repeated; say it once' : message };
    });
    refuse('invalid-request', found);
  }
}

/** @throws ServiceError `invalid-body` */
export function checkBody(operationId: string, body: unknown): void {
  const [validate, parameters] = backend.validator.getRequestValidatorsForOperation(operationId);
  if (validate && parameters && !validate({ requestBody: body })) {
    const found = faults(validate.errors).map(({ path, message }) => {
      return { path: path.replace(/^requestBody\.?/, ''), message };
    });
    refuse('invalid-body', found);
  }
}

function refuse(code: 'invalid-request' | 'invalid-body', errors: readonly Fault[]): never {
  const { path, message } = errors[0]!;
  throw new ServiceError(code, `${path || 'The body'} ${message}.`, { errors });
}
