import { queries } from './analysis.queries.js';
import { address } from './analysis.load.js';
import { post } from './http.js';

/** Asks all the queries of analysts in turns, one after the other, until it is killed. */
const { url, events, deep } = JSON.parse(process.argv[2] ?? '') as {
  url: string;
  events: number;
  deep: string;
};

for (;;) {
  for (const query of Object.values(queries(events, deep))) {
    await post(address(url, 'search'), JSON.stringify(query()));
  }
}
