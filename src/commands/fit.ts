import { ServiceError } from '../errors.js';
import type { Event, Sealed } from '../event.js';
import { replaceAt } from './redact.js';

/**
 * Serialises an event, the only time that this happens.
 *
 * @param sourceJson The event's source, serialised: all events of one request share it.
 */
export function seal(event: Event, sourceJson: string): Sealed {
  const { id, type, workspaceId, time, createdAt, target, payload, options, error } = event;
  const json =
    `{"id":${JSON.stringify(id)},"type":"${type}","workspaceId":"${workspaceId}",` +
    `"time":"${time}","createdAt":"${createdAt}","source":${sourceJson}` +
    (target ? `,"target":${JSON.stringify(target)}` : '') +
    `,"payload":${JSON.stringify(payload)}` +
    (options ? `,"options":${JSON.stringify(options)}` : '') +
    (error ? `,"error":${JSON.stringify(error)}` : '') +
    '}';
  return { event, bytes: Buffer.from(json) };
}

/**
 * Seals an event that is at most `bytesMax` large. Where it is larger, the payload fields that the
 * workspace names give way one after the other, each to a note of its size, until the event fits.
 *
 * @throws ServiceError `too-large` with the size and the limit.
 */
export function fit(
  event: Event,
  sourceJson: string,
  replaceable: readonly string[],
  bytesMax: number,
): Sealed {
  let sealed = seal(event, sourceJson);
  const sizeAsSent = sealed.bytes.length;
  for (const path of replaceable) {
    if (sealed.bytes.length <= bytesMax) {
      break;
    }
    const payload = replaceAt(sealed.event.payload, [path], (value) => {
      const size = Buffer.byteLength(JSON.stringify(value));
      return `[left out: ${String(size)} bytes]`;
    });
    sealed = seal({ ...event, payload }, sourceJson);
  }
  if (sealed.bytes.length > bytesMax) {
    throw new ServiceError(
      'too-large',
      `The event has ${String(sizeAsSent)} bytes as recorded, the limit is ${String(bytesMax)}. ` +
        'Send less, or name payload fields that may be left out in the workspace’s `fit`.',
    );
  }
  return sealed;
}
