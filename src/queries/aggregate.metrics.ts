/** The metrics of an aggregation. */
import type { Grouping, Metric } from '../projections/store.js';
import { checkNumbers, checkTexts, isTime, refuse } from './aggregate.field.js';

/** Each is worked out for each group. */
export const metricsMax = 16;

export const percentsMax = 10;

export type MetricsBody = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface NamedMetric {
  readonly name: string;
  readonly metric: Metric;
}

const nameShape = /^[A-Za-z]\w{0,63}$/;

/** @throws ServiceError `invalid-request` */
export function parseMetrics(given: MetricsBody, groupBy: readonly Grouping[]): NamedMetric[] {
  const entries = Object.entries(given);
  if (entries.length === 0 || entries.length > metricsMax) {
    refuse('metrics', `must be 1 to ${String(metricsMax)}`);
  }
  return entries.map(([name, json]) => {
    const path = `metrics.${name.slice(0, 64)}`;
    if (!nameShape.test(name) || name === 'group') {
      refuse(path, 'must be named by up to 64 letters, digits and _, and not group');
    }
    if (groupBy.some(({ field }) => field === name)) {
      refuse(path, 'has the name of a grouping');
    }
    return { name, metric: parseMetric(json, path) };
  });
}

function parseMetric(json: Readonly<Record<string, unknown>>, path: string): Metric {
  const { percents, ...kinds } = json;
  const [kind, ...others] = Object.keys(kinds);
  if (kind === undefined || others.length > 0) {
    return refuse(path, 'must be one of count, distinct, sum, avg, min, max and percentiles');
  }
  const at = `${path}.${kind}`;
  if (percents !== undefined && kind !== 'percentiles') {
    refuse(`${path}.percents`, 'is for percentiles');
  }
  if (kind === 'count') {
    return kinds.count === true ? { of: 'count' } : refuse(at, 'must be true');
  }
  const field = kinds[kind];
  if (typeof field !== 'string') {
    return refuse(at, 'must be a field');
  }
  switch (kind) {
    case 'distinct':
      checkTexts(field, at);
      return { of: kind, field };
    case 'min':
    case 'max':
      if (!isTime(field)) {
        checkNumbers(field, at);
      }
      return { of: kind, field };
    case 'sum':
    case 'avg':
      checkNumbers(field, at);
      return { of: kind, field };
    case 'percentiles':
      checkNumbers(field, at);
      return { of: kind, field, percents: parsePercents(percents, `${path}.percents`) };
    default:
      return refuse(at, 'is not known; there are count, distinct, sum, avg, min, max, percentiles');
  }
}

const percentsUnsaid = [50, 95, 99];

function parsePercents(json: unknown, path: string): readonly number[] {
  if (json === undefined) {
    return percentsUnsaid;
  }
  const isList = Array.isArray(json) && json.length > 0 && json.length <= percentsMax;
  if (!isList || !json.every((one) => typeof one === 'number' && one > 0 && one <= 100)) {
    refuse(path, `must be 1 to ${String(percentsMax)} numbers over 0 and up to 100`);
  }
  return json as number[];
}
