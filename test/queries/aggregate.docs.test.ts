import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Json } from '../../src/event.js';
import { groupsMax, groupTextMax } from '../../src/projections/limits.js';
import { columnsMax } from '../../src/projections/store.elastic.columns.js';
import { metricsMax, percentsMax } from '../../src/queries/aggregate.metrics.js';
import {
  groupingsMax,
  parseAggregation,
  parseInterval,
  type AggregateBody,
} from '../../src/queries/aggregate.parse.js';
import { rowsOf } from '../../src/queries/aggregate.rows.js';
import { parseFilter } from '../../src/queries/filter.js';
import { tableUnder } from '../docs/markdown.js';

const root = new URL('../../../', import.meta.url);
const guide = readFileSync(new URL('docs/aggregation.md', root), 'utf8');

const [asked, answered] = Array.from(
  guide.matchAll(/^```json\n([^]*?)^```$/gm),
  ([, text]) => JSON.parse(text!) as unknown,
) as [AggregateBody & { filter: Json }, { rows: Json[] }];

describe('The guide to aggregations', () => {
  it('shows a request that is taken, and a row as it is answered', () => {
    const { filter, ...body } = asked;
    const { rows } = rowsOf(
      [{ keys: ['Paris', Date.UTC(2026, 0, 31, 23)], values: [412, 96, 35_120.5, [61.2, 310]] }],
      parseAggregation(body),
      parseFilter(filter),
    );
    assert.deepEqual(rows, answered.rows);
  });

  it('shows intervals that are taken', () => {
    const shown = tableUnder(guide, '## By time').flatMap(([cell]) =>
      Array.from(cell!.matchAll(/`(\w+)`/g), ([, interval]) => interval!),
    );
    assert.ok(shown.length >= 9);
    for (const interval of shown) {
      parseInterval(interval, 'UTC', '');
    }
  });

  it('tells the bounds as they are', () => {
    for (const bound of [
      `up to ${String(groupingsMax)} fields`,
      `up to ${String(metricsMax)}, by names`,
      `of up to ${String(percentsMax)} percents`,
      `at most ${groupsMax.toLocaleString('en')};`,
      `longer than ${String(groupTextMax)} characters`,
      `more than ${groupsMax.toLocaleString('en')} groups`,
      `after ${String(columnsMax)} others`,
    ]) {
      assert.ok(guide.includes(bound), bound);
    }
  });
});
