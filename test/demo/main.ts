import { datasets, type Dataset } from './data.js';
import { ask, exported, load, searched } from './client.js';
import { bar, say, title } from './print.js';
import { replay, search, tail } from './show.js';
import { tables } from './tables.js';

/** Loads real events into a running service, shows what can be done with them, and counts them. */
async function main(url: string, replaySeconds: number): Promise<void> {
  await assertAnswers(url);
  const [github, flights] = datasets();

  title('Load, as NDJSON streams');
  await loadMissing(url, github);
  await loadMissing(url, flights);

  title('Search');
  await search(url, github.workspace, flights.workspace);

  title('Tables');
  await tables(url, flights.workspace);

  title('Tail, over a WebSocket');
  await tail(url);

  title('Replay');
  await replay(url, flights, replaySeconds);

  title('Count');
  const agree = [await count(url, github), await count(url, flights)];
  if (agree.includes(false)) {
    throw new Error('The totals do not agree.');
  }
  say('The totals agree: each event is there exactly once, in the log and in the history.');
}

async function assertAnswers(url: string): Promise<void> {
  try {
    await ask(`${url}/sys/readiness`);
  } catch (cause) {
    const message = `Nothing answers at ${url}. Start the service first: npm start`;
    throw new Error(message, { cause });
  }
}

/**
 * The service itself takes an id for known only as long as it remembers it, so what was loaded an
 * earlier day is not sent again.
 */
async function loadMissing(url: string, { workspace, what, samples }: Dataset): Promise<void> {
  const known = new Set<string>();
  for await (const { event } of exported(url, workspace)) {
    known.add(event.id);
  }
  const missing = samples.filter(({ id }) => !known.has(id));
  const there = samples.length - missing.length;
  if (missing.length > 0) {
    const progress = bar(`  ${workspace} {bar} {value} of {total}`, missing.length);
    const began = performance.now();
    await load(url, workspace, missing, (taken) => {
      progress.increment(taken);
    });
    const seconds = (performance.now() - began) / 1000;
    progress.stop();
    say(
      `${workspace}: loaded ${missing.length} ${what}, all searchable in ${seconds.toFixed(1)} s`,
    );
  }
  if (there > 0) {
    say(`${workspace}: ${there} ${what} were there already`);
  }
}

/** Counts the events of a data set that are in log and history exactly once. */
async function count(url: string, { workspace, samples }: Dataset): Promise<boolean> {
  const byExport = await foundOnce(exported(url, workspace), samples);
  const bySearch = await foundOnce(searched(url, workspace), samples);
  say(
    `${workspace}: ${samples.length} in the data set, ${byExport} by export, ${bySearch} by search`,
  );
  return byExport === samples.length && bySearch === samples.length;
}

async function foundOnce(
  found: AsyncIterable<{ event: { id: string } }>,
  samples: Dataset['samples'],
): Promise<number> {
  const times = new Map(samples.map(({ id }) => [id, 0]));
  for await (const { event } of found) {
    const before = times.get(event.id);
    if (before !== undefined) {
      times.set(event.id, before + 1);
    }
  }
  return [...times.values()].filter((value) => value === 1).length;
}

const { WORKSPACE_EVENTS_URL = 'http://127.0.0.1:3000', REPLAY_SECONDS = '10' } = process.env;
main(WORKSPACE_EVENTS_URL, Number(REPLAY_SECONDS)).catch((error: unknown) => {
  process.stderr.write(`\n${(error as Error).message}\n`);
  process.exitCode = 1;
});
