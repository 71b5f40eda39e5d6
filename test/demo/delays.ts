import { readFileSync } from 'node:fs';

/** How late the flights of an airport, or of a month, were on average, in minutes. */
export interface Delay {
  readonly key: string;
  readonly flights: number;
  readonly delay: number;
}

export const byKey = (rows: readonly Delay[]): Delay[] =>
  rows.toSorted((a, b) => (a.key < b.key ? -1 : 1));

/** The same as the service is asked for, worked out of the file itself. */
export function plainDelays(): { byOrigin: Delay[]; byMonth: Delay[] } {
  const file = new URL('../data/flights-20k.json', import.meta.resolve('vega-datasets'));
  const flights = JSON.parse(readFileSync(file, 'utf8')) as {
    date: string;
    origin: string;
    delay: number;
  }[];
  const by = (key: (flight: (typeof flights)[number]) => string): Delay[] => {
    const sums = new Map<string, { flights: number; minutes: number }>();
    for (const flight of flights) {
      const sum = sums.get(key(flight)) ?? { flights: 0, minutes: 0 };
      sums.set(key(flight), { flights: sum.flights + 1, minutes: sum.minutes + flight.delay });
    }
    return [...sums].map(([name, { flights: count, minutes }]) => {
      return { key: name, flights: count, delay: minutes / count };
    });
  };
  return {
    byOrigin: by(({ origin }) => origin),
    byMonth: by(({ date }) => date.slice(0, 'YYYY/MM'.length).replace('/', '-')),
  };
}
