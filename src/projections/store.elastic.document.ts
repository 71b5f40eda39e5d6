/** A record as the document that is written of it. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { nameOf, type Incarnation, type Recorded } from '../event.js';
import { instant } from '../instant.js';
import { contentsOf, parseEvent } from './document.js';
import { numbersOf, valuesOf } from './store.elastic.values.js';
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
  const { values, spread } = valuesOf(event, contents.leaves);
  const { numbers, placed, unplaced } = numbersOf(contents.leaves, columns);
  const source = {
    of: nameOf(of),
    position,
    // There is no NaN in JSON: what is no time becomes null, which no range holds.
    time: event.time === event.createdAt ? createdAt : instant(event.time),
    createdAt,
    size: bytes.byteLength,
    tokens: tokensOf(event, contents),
    values,
    spread,
    numbers,
    columns: placed,
    [bytes.byteLength <= smallBytesMax ? 'bytes' : 'large']: text,
  };
  return {
    id: documentIdOf(of, event.id),
    createdAt: Math.max(createdAt || 0, 0),
    source: JSON.stringify(source),
    unplaced,
  };
}

function documentIdOf(of: Incarnation, eventId: string): string {
  const id = `${nameOf(of)}/${eventId}`;
  // An epoch has no number sign either, so that no hash can be taken for an id.
  return Buffer.byteLength(id) <= documentIdBytesMax
    ? id
    : `${nameOf(of)}#${createHash('sha256').update(eventId).digest('base64url')}`;
}
