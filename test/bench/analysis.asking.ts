import { ofEverything, queries } from './analysis.queries.js';
import { address } from './analysis.load.js';
import { post } from './http.js';

/** Asks one after the other, all the queries of analysts or the heaviest, until it is killed. */
const { url, events, deep, what } = JSON.parse(process.argv[2] ?? '') as {
  url: string;
  events: number;
  deep: string;
  what: 'all ten' | 'everything';
};

for (;;) {
  const asked = what === 'everything' ? [{ next: ofEverything }] : queries(events, deep);
  for (const { next } of Object.values(asked)) {
    await post(address(url, 'search'), JSON.stringify(next()));
  }
}
