import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { ServiceError, type Fault } from '../errors.js';
import type { Draft } from '../event.js';
import { instant } from '../instant.js';
import { asyncapi, openapi } from './schemas.js';

/** More faults than these of one body help nobody and cost memory. */
const FAULTS_MAX = 20;

/** Without a time of day, an instant is a date only. */
const DATE = 'YYYY-MM-DD';

/**
 * The format `date-time` as everything else here reads times. That of ajv-formats takes a line
 * break between date and time, which in an event sealed with it would be no JSON.
 */
export function isDateTime(text: string): boolean {
  return text.length > DATE.length && !Number.isNaN(instant(text));
}

const ajv = new Ajv2020({ allErrors: false, strict: false });
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

/** What ajv found, with paths as the sender writes them: `events[3].type`. */
export function faults(errors: readonly ErrorObject[] | null | undefined, root = ''): Fault[] {
  return (errors ?? []).slice(0, FAULTS_MAX).map(({ instancePath, keyword, params, message }) => {
    const extra =
      keyword === 'additionalProperties' || keyword === 'unevaluatedProperties'
        ? `: ${String(Object.values(params)[0])}`
        : '';
    const allowed = keyword === 'enum' ? `: ${String(params.allowedValues)}` : '';
    return {
      path: dotted(root + instancePath),
      message: `${message ?? 'is not valid'}${extra}${allowed}`,
    };
  });
}

function dotted(pointer: string): string {
  return pointer
    .split('/')
    .filter((step) => step !== '')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, step) => {
      if (/^\d+$/.test(step)) {
        return `${path}[${step}]`;
      }
      return path === '' ? step : `${path}.${step}`;
    }, '');
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
    const first = errors[0];
    const where = first?.path === '' ? 'the event' : first?.path;
    throw new ServiceError('invalid-event', `${where ?? ''} ${first?.message ?? ''}`, { errors });
  }
  return sent;
}
