import assert from 'node:assert/strict';
import { delivered, lagMeasuredBy, metrics, registry, type Lag } from '../src/metrics.js';

describe('The metrics', () => {
  const scraped = async (name: string): Promise<string[]> =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith(name));

  const lag = (events: number, seconds: number) => (): Promise<Lag> =>
    Promise.resolve({ events, seconds });

  afterEach(() => {
    lagMeasuredBy(lag(0, 0));
  });

  it('are there from the start, each with its help', async () => {
    const text = await registry.metrics();
    const names = registry.getMetricsAsArray().map(({ name }) => name);
    for (const metric of Object.values(metrics)) {
      const { name, help } = metric as unknown as { name: string; help: string };
      assert.ok(names.includes(name), name);
      assert.ok(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} `), name);
    }
    assert.match(text, /^process_cpu_seconds_total /m);
  });

  it('have no label with values that callers choose', () => {
    const bounded = new Set([
      ...['code', 'transport', 'operation', 'status', 'outcome', 'from', 'le'],
      ...['because', 'quota', 'of'],
    ]);
    for (const metric of Object.values(metrics)) {
      const { labelNames } = metric as unknown as { labelNames: string[] };
      assert.deepEqual(
        labelNames.filter((label) => !bounded.has(label)),
        [],
      );
    }
  });

  it('ask for the lag when they are asked themselves, and no sooner', async () => {
    let asked = 0;
    lagMeasuredBy(() => {
      asked++;
      return lag(7, 1.5)();
    });
    assert.equal(asked, 0);
    const lines = ['projection_lag_events 7', 'projection_lag_seconds 1.5'];
    assert.deepEqual(await scraped('projection_lag_'), lines);
    assert.equal(asked, 1);
  });

  it('are there also when nobody can tell the lag', async () => {
    lagMeasuredBy(() => Promise.reject(new Error('the log does not answer')));
    const lines = ['projection_lag_events Nan', 'projection_lag_seconds Nan'];
    assert.deepEqual(await scraped('projection_lag_'), lines);
    lagMeasuredBy(lag(1, 0));
    assert.deepEqual(await scraped('projection_lag_events'), ['projection_lag_events 1']);
  });

  it('tell how many events were handed to the subscribers of each transport', async () => {
    const before = { ...delivered };
    try {
      Object.assign(delivered, { ws: 5, sse: 4, poll: 3, export: 2 });
      const lines = [
        'events_delivered_total{transport="ws"} 5',
        'events_delivered_total{transport="sse"} 4',
        'events_delivered_total{transport="poll"} 3',
        'events_delivered_total{transport="export"} 2',
      ];
      assert.deepEqual(await scraped('events_delivered_total'), lines);
      assert.deepEqual(await scraped('events_delivered_total'), lines, 'they are added up');
    } finally {
      Object.assign(delivered, before);
    }
  });
});
