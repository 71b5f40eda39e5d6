import type { ServerResponse } from 'node:http';
import type { Position, Recorded } from '../event.js';
import { isKept } from '../projections/projection.js';
import { formatCursor } from '../queries/cursor.js';
import type { LossReason } from '../queries/from.js';
import type { SubscribeRequest } from '../queries/subscribe.js';
import type { Call } from './call.js';
import { lineFraming } from './framing.js';
import { Stream } from './stream.js';

/**
 * NDJSON in the order of the log, from where it is asked for up to what was the head at the start.
 * Each line holds its cursor, so a client that was cut off goes on after its last whole line. What
 * was kept out of the history is left out here too. A line with `recovered: false` in place of an
 * event says that what came before `first` is lost.
 *
 * Resolves when everything is written, or the client has gone.
 */
export async function exportEvents(
  { service, context }: Pick<Call, 'service' | 'context'>,
  request: SubscribeRequest,
  response: ServerResponse,
): Promise<void> {
  let stream: Stream | undefined;
  const whole = { ...request, toHead: true };
  const subscription = await service.subscriptions.open(whole, context, ({ epoch, start }) => {
    response.writeHead(200, {
      'Content-Type': 'application/x-ndjson; charset=utf-8',
      'Cache-Control': 'no-store',
    });
    const out = new Stream(response, service.config.subscriberBufferBytesMax, 'export');
    stream = out;
    const framing = lineFraming(epoch);
    const write = (records: readonly Recorded[]): boolean =>
      out.write(framing.frame(records), records.length);
    const lost = (reason: LossReason, first: Position): void => {
      const told = { recovered: false, reason, first: formatCursor(epoch, first) };
      out.write(`${JSON.stringify(told)}\n`);
    };
    if (start.lost !== undefined) {
      lost(start.lost, (start.position + 1) as Position);
    }
    return {
      deliver: ({ records }) => write(records.filter(isKept)),
      ready: () => out.ready(),
      caughtUp: () => undefined,
      moved: () => undefined,
      lost,
      ended: (error) => {
        if (error) {
          out.destroy();
        } else {
          out.end();
        }
      },
    };
  });
  const out = stream as unknown as Stream;
  try {
    await Promise.race([out.closed, subscription.run()]);
    await out.closed;
  } catch (error) {
    service.reporter.toldAs(error, context, request.workspace);
    out.destroy();
  } finally {
    subscription.close();
  }
}
