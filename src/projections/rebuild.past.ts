/** What a history is rebuilt from: the one that there is, as far as the log has forgotten it. */
import type { Batch } from '../commands/log.js';
import type { Incarnation, Position } from '../event.js';
import { pause } from '../pause.js';
import type { Ends } from './projection.js';

/** What one read of the old history takes; as much as one of the log. */
const READ_BYTES = 256 * 1024;

/** Between two looks at an old history that has not come to the log itself. */
const POLL_MS = 100;

const NOTHING_LOST = 0 as Position;

/**
 * Everything after a position: from the old history where the log no longer has it, then from the
 * log. Retention goes on meanwhile, so what was to be read from the log may be in the history alone
 * when its turn comes.
 */
export async function* pastAndLog(
  old: Incarnation,
  { log, store }: Pick<Ends, 'log' | 'store'>,
  after: Position,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let read = after;
  while (!signal.aborted) {
    const { first } = await log.bounds(old.id);
    if (read < first - 1) {
      // Only what the old checkpoint vouches for: of what it is at, some may not be there yet.
      const until = Math.min(first - 1, await store.checkpoint(old)) as Position;
      const records = await store.scan(old, read, until, READ_BYTES);
      const last = records.at(-1)?.position ?? until;
      if (last > read) {
        read = last;
        yield { records, first: NOTHING_LOST, last };
      } else {
        await pause(POLL_MS, signal);
      }
      continue;
    }
    for await (const batch of log.follow(old.id, old.epoch, read, signal)) {
      if (batch.first > read + 1) {
        break;
      }
      read = batch.last;
      yield batch;
    }
  }
}
