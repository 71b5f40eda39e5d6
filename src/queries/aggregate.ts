import { assertSuperadmin, isReserved, type Caller } from '../policy.js';
import type { ErrorBound, Selection } from '../projections/store.js';
import type { Aggregation } from './aggregate.parse.js';
import { rowsOf, type Row } from './aggregate.rows.js';
import { formatCursor } from './cursor.js';
import type { Filter } from './filter.js';
import { scoped } from './scope.js';
import { watermarkOf, type History, type Wait } from './watermark.js';

export interface AcrossRequest {
  readonly filter: Filter;
  readonly aggregation: Aggregation;
  /** Aborts when the caller has left. */
  readonly left?: AbortSignal;
}

export interface AggregateRequest extends AcrossRequest, Wait {
  readonly workspace: string;
}

export interface Table {
  readonly rows: readonly Row[];
  /** There are rows beyond the limit. */
  readonly more: boolean;
  /** How far off a metric can be; those that are exact are not in it. */
  readonly approximate: Readonly<Record<string, ErrorBound>>;
}

export interface AggregateResult extends Table {
  /** A subscription from here gives exactly what was not yet counted. */
  readonly cursor: string;
  /** How many events the history is behind the log, if that is known. */
  readonly lag: number | undefined;
}

/** Aggregates the history of one workspace, narrowed to what the caller may read. */
export async function aggregate(
  request: AggregateRequest,
  caller: Caller,
  history: History,
): Promise<AggregateResult> {
  const grants = history.workspaces.get(request.workspace)?.grants;
  const filter = scoped(caller, request.workspace, request.filter, grants);
  const workspace = await history.workspaces.require(request.workspace);
  const watermark = await watermarkOf(workspace, request, history);
  const selection = { of: [watermark.of], filter, last: watermark.position };
  const table = await tableOf(request, selection, workspace.id, history);
  const cursor = formatCursor(workspace.epoch, watermark.position);
  return { ...table, cursor, lag: await watermark.lag() };
}

/** Aggregates the histories of all workspaces. */
export async function aggregateAcross(
  request: AcrossRequest,
  caller: Caller,
  history: History,
): Promise<Table> {
  assertSuperadmin(caller);
  const { filter } = request;
  const of = history.workspaces
    .list()
    .filter(({ id }) => !isReserved(id))
    .map((workspace) => workspace.history);
  return tableOf(request, { of, filter, last: Infinity }, 'all workspaces', history);
}

/** @param payer Whose budget of heavy queries it takes from. */
async function tableOf(
  { aggregation, left }: AcrossRequest,
  selection: Selection,
  payer: string,
  { store, heavyQueries }: History,
): Promise<Table> {
  const { groupBy, metrics } = aggregation;
  const { groups, approximate } = await heavyQueries.run(payer, () =>
    store.aggregate({
      ...selection,
      groupBy,
      metrics: metrics.map(({ metric }) => metric),
      ...(left && { signal: left }),
    }),
  );
  const bounds = [...approximate].map(([index, bound]) => [metrics[index]!.name, bound]);
  return {
    ...rowsOf(groups, aggregation, selection.filter),
    approximate: Object.fromEntries(bounds) as Record<string, ErrorBound>,
  };
}
