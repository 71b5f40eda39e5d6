import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Position } from '../event.js';

/** A place in one incarnation of one workspace's log: everything up to `position` has been seen. */
export interface Cursor {
  readonly epoch: string;
  readonly position: Position;
}

const SHAPE = /^([0-9a-z]{1,32})-(start|\d{1,15})$/;

/**
 * The wire form `<epoch>-<position>`, or `<epoch>-start` before the first event. Opaque to clients.
 */
export function formatCursor(epoch: string, position: Position): string {
  return `${epoch}-${position === BEFORE_FIRST ? 'start' : String(position)}`;
}

/**
 * @param at Where the cursor stood in the request, for the error.
 * @throws ServiceError `invalid-cursor` for a text that no server has made.
 */
export function parseCursor(text: string, at: string): Cursor {
  const [, epoch, position] = SHAPE.exec(text) ?? [];
  if (epoch === undefined || position === undefined) {
    const message = 'must be a cursor as the service gave it, such as "a1b2c3d4-17"';
    throw new ServiceError('invalid-cursor', `${at} ${message}.`, {
      errors: [{ path: at, message }],
    });
  }
  return { epoch, position: position === 'start' ? BEFORE_FIRST : (Number(position) as Position) };
}
