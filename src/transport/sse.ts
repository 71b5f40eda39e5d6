import type { ServerResponse } from 'node:http';
import { formatCursor } from '../queries/cursor.js';
import type { Matched } from '../queries/fanout.js';
import type { LossReason } from '../queries/from.js';
import type { SubscribeRequest } from '../queries/subscribe.js';
import type { Subscriber } from '../queries/subscription.js';
import { ServiceError } from '../errors.js';
import type { Position } from '../event.js';
import type { Call } from './call.js';
import { sseFraming } from './framing.js';
import { itemError } from './respond.js';
import { Stream } from './stream.js';

/**
 * Server-Sent Events (WHATWG HTML, 9.2). Every event carries its cursor as `id`, so a browser that
 * reconnects by itself goes on where it was. Named events tell what is not an event: `recovery`,
 * `caught-up`, `position` and `error`.
 *
 * Resolves when the client has gone or the subscription has ended.
 */
export async function streamEvents(
  { service, context, draining }: Pick<Call, 'service' | 'context' | 'draining'>,
  request: SubscribeRequest,
  response: ServerResponse,
): Promise<void> {
  const { subscriberBufferBytesMax, heartbeatSeconds } = service.config;
  let stream: Stream | undefined;
  const subscription = await service.subscriptions.open(request, context, ({ epoch, start }) => {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // Proxies that buffer would hold events back; nginx heeds this.
      'X-Accel-Buffering': 'no',
    });
    stream = new Stream(response, subscriberBufferBytesMax, 'sse');
    const subscriber = sseSubscriber(stream, epoch);
    if (start.lost === undefined) {
      stream.write(
        named('recovery', { recovered: true, cursor: formatCursor(epoch, start.position) }),
      );
    } else {
      subscriber.lost(start.lost, (start.position + 1) as Position);
    }
    return subscriber;
  });
  const out = stream as unknown as Stream;
  const heartbeat = setInterval(() => out.write(':\n\n'), heartbeatSeconds * 1000);
  const drain = (): void => {
    out.end();
  };
  draining.addEventListener('abort', drain, { once: true });
  try {
    await Promise.race([out.closed, subscription.run()]);
    await out.closed;
  } catch (error) {
    const told = service.reporter.toldAs(error, context, request.workspace);
    out.write(named('error', itemError(told)));
    out.end();
  } finally {
    clearInterval(heartbeat);
    draining.removeEventListener('abort', drain);
    subscription.close();
  }
}

function sseSubscriber(stream: Stream, epoch: string): Subscriber {
  const framing = sseFraming(epoch);
  const at = (position: Position): string => formatCursor(epoch, position);
  return {
    deliver: (matched: Matched) => stream.write(matched.frame(framing), matched.records.length),
    ready: () => stream.ready(),
    caughtUp: (position) => {
      stream.write(named('caught-up', { cursor: at(position) }, at(position)));
    },
    moved: (position) => {
      stream.write(named('position', { cursor: at(position) }, at(position)));
    },
    lost: (reason: LossReason, first) => {
      stream.write(named('recovery', { recovered: false, reason, first: at(first) }));
    },
    ended: (error?: ServiceError) => {
      if (error) {
        stream.write(named('error', itemError(error)));
      }
      stream.end();
    },
  };
}

/** A named event; with an id, a reconnecting browser starts there. JSON has no raw line break. */
function named(event: string, data: Record<string, unknown>, id?: string): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`;
  return `${idLine}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
