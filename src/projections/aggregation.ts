/** Aggregations worked out in the node, event by event: exactly, and of any filter. */
import type { Recorded } from '../event.js';
import { instant } from '../instant.js';
import { startOf } from '../interval.js';
import { valuesAt } from '../queries/filter.predicate.js';
import { groupsMax, groupTextMax, tooCostly, tooManyGroups } from './limits.js';
import type { Aggregate, AggregateQuery, Group, Grouping, Metric } from './store.js';

/** Of all groups together: some 100 MB of short texts. */
const distinctTextsMax = 1_000_000;

/** Of all groups together: 40 MB. */
const percentileValuesMax = 5_000_000;

type Key = string | number | null;
type Value = Group['values'][number];

/** One metric of one group. */
interface Tally {
  add(record: Recorded): void;
  value(): Value;
}

/** The groups below the first keys of a group, or, below all of them, its tallies. */
type Level = Map<Key, Level> | readonly Tally[];

/** Takes the events that match, one after the other, in any order. */
export class Aggregation {
  readonly #keysOf: readonly ((record: Recorded) => readonly Key[])[];
  readonly #newTallies: readonly (() => Tally)[];
  readonly #top: Level;
  #groups = 0;

  constructor({ groupBy, metrics }: Pick<AggregateQuery, 'groupBy' | 'metrics'>) {
    this.#keysOf = groupBy.map(keysOf);
    const spent: Spent = { texts: 0, values: 0 };
    this.#newTallies = metrics.map((metric) => tallyOf(metric, spent));
    this.#top = groupBy.length > 0 ? new Map<Key, Level>() : this.#newGroup();
  }

  /** @throws ServiceError `query-too-costly` */
  add(record: Recorded): void {
    this.#addTo(this.#top, 0, record);
  }

  result(): Aggregate {
    return { groups: [...groupsOf(this.#top, [])], approximate: new Map() };
  }

  #addTo(level: Level, depth: number, record: Recorded): void {
    if (!(level instanceof Map)) {
      for (const tally of level) {
        tally.add(record);
      }
      return;
    }
    for (const key of this.#keysOf[depth]!(record)) {
      let below = level.get(key);
      if (!below) {
        const isLast = depth === this.#keysOf.length - 1;
        below = isLast ? this.#newGroup() : new Map<Key, Level>();
        level.set(key, below);
      }
      this.#addTo(below, depth + 1, record);
    }
  }

  #newGroup(): readonly Tally[] {
    this.#groups++;
    if (this.#groups > groupsMax) {
      throw tooManyGroups();
    }
    return this.#newTallies.map((newTally) => newTally());
  }
}

function* groupsOf(level: Level, keys: readonly Key[]): Generator<Group> {
  if (level instanceof Map) {
    for (const [key, below] of level) {
      yield* groupsOf(below, [...keys, key]);
    }
  } else {
    yield { keys, values: level.map((tally) => tally.value()) };
  }
}

function keysOf(grouping: Grouping): (record: Recorded) => readonly Key[] {
  const { field } = grouping;
  if (grouping.by === 'interval') {
    const start = startOf(grouping.interval);
    return ({ event }) => [start(instant(event[grouping.field]) || 0)];
  }
  const texts = groupTextsAt(field);
  return (record) => {
    const found = texts(record);
    return found.length > 0 ? found : [null];
  };
}

/** The different texts at a field, as they name groups: cut, but not within a character. */
function groupTextsAt(field: string): (record: Recorded) => string[] {
  const values = valuesAt(field);
  return (record) => {
    const texts = values(record)
      .filter((value) => typeof value !== 'object')
      .map((value) => groupText(String(value)));
    return texts.length > 1 ? [...new Set(texts)] : texts;
  };
}

export function groupText(text: string): string {
  if (text.length <= groupTextMax) {
    return text;
  }
  const last = text.charCodeAt(groupTextMax - 1);
  const isHighSurrogate = last >= 0xd800 && last < 0xdc00;
  return text.slice(0, isHighSurrogate ? groupTextMax - 1 : groupTextMax);
}

/** The numbers at a field, each as often as it stands there. */
function numbersAt(field: string): (record: Recorded) => readonly number[] {
  switch (field) {
    case 'bytes':
      return ({ bytes }) => [bytes.byteLength];
    case 'time':
    case 'createdAt':
      return ({ event }) => [instant(event[field]) || 0];
    default: {
      const values = valuesAt(field);
      // JSON can spell a number that is none as a double: `JSON.parse('1e400')` is Infinity.
      return (record) => values(record).filter((value) => Number.isFinite(value)) as number[];
    }
  }
}

/** What the tallies of one aggregation hold together. */
interface Spent {
  texts: number;
  values: number;
}

function tallyOf(metric: Metric, spent: Spent): () => Tally {
  switch (metric.of) {
    case 'count':
      return () => new Count();
    case 'distinct': {
      const texts = groupTextsAt(metric.field);
      return () => new Distinct(texts, spent);
    }
    case 'percentiles': {
      const numbers = numbersAt(metric.field);
      return () => new Percentiles(numbers, metric.percents, spent);
    }
    default: {
      const numbers = numbersAt(metric.field);
      return () => new Statistic(numbers, metric.of);
    }
  }
}

class Count implements Tally {
  #count = 0;

  add(): void {
    this.#count++;
  }

  value(): number {
    return this.#count;
  }
}

class Distinct implements Tally {
  readonly #textsOf: (record: Recorded) => readonly string[];
  readonly #spent: Spent;
  readonly #seen = new Set<string>();

  constructor(textsOf: (record: Recorded) => readonly string[], spent: Spent) {
    this.#textsOf = textsOf;
    this.#spent = spent;
  }

  add(record: Recorded): void {
    const before = this.#seen.size;
    for (const text of this.#textsOf(record)) {
      this.#seen.add(text);
    }
    this.#spent.texts += this.#seen.size - before;
    if (this.#spent.texts > distinctTextsMax) {
      throw tooCostly(
        `more than ${distinctTextsMax.toLocaleString('en')} different texts to count`,
      );
    }
  }

  value(): number {
    return this.#seen.size;
  }
}

class Statistic implements Tally {
  readonly #numbersOf: (record: Recorded) => readonly number[];
  readonly #of: 'sum' | 'avg' | 'min' | 'max';
  #count = 0;
  #sum = 0;
  /** What the sum has lost by rounding: W. Kahan, 1965. */
  #lost = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(
    numbersOf: (record: Recorded) => readonly number[],
    of: 'sum' | 'avg' | 'min' | 'max',
  ) {
    this.#numbersOf = numbersOf;
    this.#of = of;
  }

  add(record: Recorded): void {
    for (const number of this.#numbersOf(record)) {
      this.#count++;
      this.#min = Math.min(this.#min, number);
      this.#max = Math.max(this.#max, number);
      const corrected = number - this.#lost;
      const sum = this.#sum + corrected;
      this.#lost = sum - this.#sum - corrected;
      this.#sum = sum;
    }
  }

  value(): number | null {
    if (this.#of === 'sum') {
      return this.#sum;
    }
    if (this.#count === 0) {
      return null;
    }
    return { avg: this.#sum / this.#count, min: this.#min, max: this.#max }[this.#of];
  }
}

class Percentiles implements Tally {
  readonly #numbersOf: (record: Recorded) => readonly number[];
  readonly #percents: readonly number[];
  readonly #spent: Spent;
  readonly #values: number[] = [];

  constructor(
    numbersOf: (record: Recorded) => readonly number[],
    percents: readonly number[],
    spent: Spent,
  ) {
    this.#numbersOf = numbersOf;
    this.#percents = percents;
    this.#spent = spent;
  }

  add(record: Recorded): void {
    const numbers = this.#numbersOf(record);
    this.#values.push(...numbers);
    this.#spent.values += numbers.length;
    if (this.#spent.values > percentileValuesMax) {
      throw tooCostly(
        `percentiles of more than ${percentileValuesMax.toLocaleString('en')} numbers`,
      );
    }
  }

  /** R. J. Hyndman and Y. Fan, Sample Quantiles, 1996, definition 7: in proportion between two. */
  value(): readonly (number | null)[] {
    const sorted = Float64Array.from(this.#values).sort();
    return this.#percents.map((percent) => {
      if (sorted.length === 0) {
        return null;
      }
      const place = ((sorted.length - 1) * percent) / 100;
      const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
      return below + (above - below) * (place - Math.floor(place));
    });
  }
}
