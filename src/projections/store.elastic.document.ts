/** A record as the document that is written of it. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { nameOf, type Event, type Incarnation, type Recorded } from '../event.js';
import { instant } from '../instant.js';
import { groupText } from './aggregation.js';
import { contentsOf, parseEvent, type Leaf } from './document.js';
import { columnName } from './store.elastic.columns.js';
import { tokensOf } from './tokens.elastic.js';

/**
 * Larger events are kept in a field of their own and read one by one, so that a page of many is of
 * bounded size: with `hitsMax`, some 8 MiB.
 */
const smallBytesMax = 16 * 1_024;

/** What Elasticsearch takes. */
const documentIdBytesMax = 512;

export interface Document {
  readonly id: string;
  /** Epoch milliseconds; 0 where the event does not tell, or tells of a time before 1970. */
  readonly createdAt: number;
  readonly source: string;
  /** The paths of its numbers that have no column. */
  readonly unplaced: readonly string[];
}

/**
 * @param columns Where the numbers at a path go.
 * @throws Error with the reason why it can never be stored.
 */
export function documentOf(
  of: Incarnation,
  record: Recorded,
  columns: ReadonlyMap<string, number>,
): Document {
  const { position, bytes } = record;
  if (!isUtf8(bytes)) {
    throw new Error('is not UTF-8');
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  // Not `record.event`, which would keep the parsed event as long as the record waits.
  const event = parseEvent(text);
  const createdAt = instant(event.createdAt);
  const contents = contentsOf(event);
  const { numbers, unplaced } = numbersOf(contents.leaves, columns);
  const source = {
    of: nameOf(of),
    position,
    // There is no NaN in JSON: what is no time becomes null, which no range holds.
    time: instant(event.time),
    createdAt,
    size: bytes.byteLength,
    tokens: tokensOf(event, contents),
    values: valuesOf(event, contents.leaves),
    numbers,
    [bytes.byteLength <= smallBytesMax ? 'bytes' : 'large']: text,
  };
  return {
    id: documentIdOf(of, event.id),
    createdAt: Math.max(createdAt || 0, 0),
    source: JSON.stringify(source),
    unplaced,
  };
}

/** What groups are named by, and what is counted as different: the texts at each path. */
function valuesOf({ type, workspaceId }: Event, leaves: readonly Leaf[]): Several<string> {
  const values: Several<string> = {};
  const named = [
    { path: 'type', value: type },
    { path: 'workspaceId', value: workspaceId },
  ];
  for (const { path, value } of [...named, ...leaves]) {
    if (isNameOfValues(path)) {
      add(values, path, groupText(String(value)));
    }
  }
  return values;
}

/** One value stands for a list of it, in fewer characters. */
type Several<T> = Record<string, T | T[]>;

function add<T>(to: Several<T>, name: string, value: T): void {
  const before = to[name];
  if (before === undefined) {
    to[name] = value;
  } else if (Array.isArray(before)) {
    before.push(value);
  } else {
    to[name] = [before, value];
  }
}

/** Elasticsearch keeps a path and its text apart by the character that it does not take in one. */
export function isNameOfValues(path: string): boolean {
  return !path.includes('\0');
}

/** What sums and the like are computed of. JSON can spell numbers that are none as a double. */
function numbersOf(
  leaves: readonly Leaf[],
  columns: ReadonlyMap<string, number>,
): { numbers: Several<number>; unplaced: string[] } {
  const numbers: Several<number> = {};
  const unplaced: string[] = [];
  for (const { path, value } of leaves) {
    if (typeof value === 'number' && Number.isFinite(value)) {
      const column = columns.get(path);
      if (column === undefined) {
        unplaced.push(path);
      } else {
        add(numbers, columnName(column), value);
      }
    }
  }
  return { numbers, unplaced };
}

function documentIdOf(of: Incarnation, eventId: string): string {
  const id = `${nameOf(of)}/${eventId}`;
  // An epoch has no number sign either, so that no hash can be taken for an id.
  return Buffer.byteLength(id) <= documentIdBytesMax
    ? id
    : `${nameOf(of)}#${createHash('sha256').update(eventId).digest('base64url')}`;
}
