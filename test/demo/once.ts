import assert from 'node:assert/strict';
import type { Positioned } from './client.js';
import type { Sample } from './data.js';

/** Each sample is found exactly once, as it was sent, and nothing else is. */
export async function assertEachOnce(
  found: AsyncIterable<Positioned>,
  samples: readonly Sample[],
): Promise<void> {
  const events: Positioned['event'][] = [];
  for await (const { event } of found) {
    events.push(event);
  }
  assert.equal(events.length, samples.length);
  const byId = new Map(events.map((event) => [event.id, event]));
  for (const { id, type, payload } of samples) {
    const event = byId.get(id);
    assert.deepEqual({ type: event?.type, payload: event?.payload }, { type, payload });
  }
}
