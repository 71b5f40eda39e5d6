import { openapi } from '../../src/commands/schemas.js';

/**
 * As the registry's clients can check it without a library of formats: they refuse a schema with
 * a format that they do not know.
 */
const DATE_TIME = {
  type: 'string',
  pattern: '^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?([Zz]|[+-]\\d{2}:\\d{2})$',
};

const SCHEMAS = '#/components/schemas/';

/** The schema of a recorded event, as the HTTP API has it, in one piece. */
export function derivedEnvelope(): unknown {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: 'event.json',
    title: 'Event',
    ...(inlined({ $ref: `${SCHEMAS}Event` }) as object),
  };
}

function inlined(node: unknown): unknown {
  if (Array.isArray(node)) {
    return node.map(inlined);
  }
  if (typeof node !== 'object' || node === null) {
    return node;
  }
  const { $ref, format, ...rest } = node as Record<string, unknown>;
  if (typeof $ref === 'string') {
    const { schemas } = openapi.components as { schemas: Record<string, unknown> };
    return inlined(schemas[$ref.slice(SCHEMAS.length)]);
  }
  const members = Object.entries(rest).map(([key, value]) => [key, inlined(value)] as const);
  return { ...Object.fromEntries(members), ...(format === 'date-time' && DATE_TIME) };
}
