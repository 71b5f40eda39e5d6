import addFormats from 'ajv-formats';
import { OpenAPIBackend, type Document, type Operation } from 'openapi-backend';
import { openapi } from '../commands/schemas.js';
import { faults } from '../commands/validate.js';
import { ServiceError } from '../errors.js';

/** What of a request is described by the API. Query parameters are coerced to their types in place. */
export interface Described {
  readonly params: Record<string, string>;
  readonly query: Record<string, unknown>;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body?: unknown;
}

const backend = new OpenAPIBackend({
  definition: openapi as unknown as Document,
  quick: true,
  strict: true,
  customizeAjv: (ajv) => {
    addFormats.default(ajv, ['date-time']);
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

/**
 * Validates a request with the validators that openapi-backend has compiled for its operation. They
 * are called as they are, since the router has already taken the request apart: letting the library
 * match and parse it a second time costs more than a small emit (`test/bench/validation.ts`).
 *
 * @throws ServiceError `invalid-request` for parameters, `invalid-body` for the body.
 */
export function checkRequest(operationId: string, request: Described): void {
  const { params, query, headers, body } = request;
  const parts = {
    path: params,
    query,
    header: headers,
    cookie: {},
    ...(body !== undefined && { requestBody: body }),
  };
  for (const validate of backend.validator.getRequestValidatorsForOperation(operationId)) {
    if (!validate(parts)) {
      refuse(faults(validate.errors));
    }
  }
}

function refuse(errors: ReturnType<typeof faults>): never {
  const [first] = errors;
  const inBody = first?.path.startsWith('requestBody') === true;
  const told = errors.map(({ path, message }) => ({
    path: path.replace(/^(requestBody|query|path|header)\.?/, ''),
    message,
  }));
  const detail = `${told[0]?.path === '' ? 'The body' : (told[0]?.path ?? '')} ${first?.message ?? ''}.`;
  throw new ServiceError(inBody ? 'invalid-body' : 'invalid-request', detail, { errors: told });
}
