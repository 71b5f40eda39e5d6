import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { ServiceError, type Fault } from '../errors.js';
import type { Draft } from '../event.js';
import { instant } from '../instant.js';
import { asyncapi, openapi } from './schemas.js';

/** More faults than these of one body help nobody and cost memory. */
const FAULTS_MAX = 20;
/** A name can be as long as a body; the answer that tells its fault need not be. In characters. */
const PATH_SHOWN_MAX = 256;

/** Without a time of day, an instant is a date only. */
const DATE = 'YYYY-MM-DD';

/**
 * The format `date-time` as everything else here reads times. That of ajv-formats takes a line
 * break between date and time, which in an event sealed with it would be no JSON.
 */
export function isDateTime(text: string): boolean {
  return text.length > DATE.length && !Number.isNaN(instant(text));
}

// Verbose: a fault is told in the words of the schema that it breaks.
const ajv = new Ajv2020({ allErrors: false, strict: false, verbose: true });
ajv.addFormat('date-time', isDateTime);
ajv.addSchema(openapi, 'openapi.yaml');
ajv.addSchema(asyncapi, 'asyncapi.yaml');

/** A compiled schema of `components.schemas` in a file of `schemas/`. */
export function schema<T>(
  file: 'openapi.yaml' | 'asyncapi.yaml',
  name: string,
): ValidateFunction<T> {
  const validate = ajv.getSchema<T>(`${file}#/components/schemas/${name}`);
  if (!validate) {
    throw new Error(`schemas/${file} has no schema ${name}`);
  }
  return validate;
}

/**
 * What ajv found, with paths as the sender writes them: `events[3].type`. Of a choice, ajv tells
 * what is wrong with every branch and then with the choice, which alone says what would be right.
 */
export function faults(errors: readonly ErrorObject[] | null | undefined): Fault[] {
  const found = errors ?? [];
  const choice = found.find(({ keyword }) => keyword === 'oneOf' || keyword === 'anyOf');
  return (choice ? [choice] : found)
    .filter(({ keyword }) => keyword !== 'if')
    .slice(0, FAULTS_MAX)
    .map(fault);
}

function fault({ instancePath, keyword, params, message, parentSchema = {} }: ErrorObject): Fault {
  const path = dotted(instancePath);
  const { description, properties = {} } = parentSchema as SchemaText;
  switch (keyword) {
    case 'required':
      return { path: member(path, params.missingProperty as string), message: 'is required' };
    case 'additionalProperties': {
      const known = Object.keys(properties).join(', ') || 'nothing';
      const unknown = member(path, params.additionalProperty as string);
      return { path: unknown, message: `is not known here; known: ${known}` };
    }
    case 'enum':
      return { path, message: `must be one of ${String(params.allowedValues)}` };
    case 'const':
      return { path, message: `must be ${JSON.stringify(params.allowedValue)}` };
    case 'pattern':
    case 'format':
    case 'oneOf':
    case 'anyOf':
    case 'not':
      return { path, message: `must be ${description ?? message ?? 'valid'}` };
    default:
      return { path, message: message ?? 'is not valid' };
  }
}

/** What of a schema is told; its description completes “must be”. */
interface SchemaText {
  description?: string;
  properties?: Record<string, unknown>;
}

function member(path: string, name: string): string {
  return (path === '' ? name : `${path}.${name}`).slice(0, PATH_SHOWN_MAX);
}

function dotted(pointer: string): string {
  return pointer
    .split('/')
    .filter((step) => step !== '')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : member(path, step)), '');
}

const isDraft = schema<Draft>('openapi.yaml', 'Draft');

/**
 * What a producer sent, as a draft.
 *
 * @throws ServiceError `invalid-event` with the path of each fault within the event.
 */
export function validate(sent: unknown): Draft {
  if (!isDraft(sent)) {
    const errors = faults(isDraft.errors);
    const { path, message } = errors[0]!;
    throw new ServiceError('invalid-event', `${path || 'The event'} ${message}.`, { errors });
  }
  return sent;
}
