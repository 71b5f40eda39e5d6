import pino from 'pino';
import type { Level } from './config.js';

/** What is logged of one request or connection, beside pino's own timestamp and level. */
export interface LogContext {
  correlationId?: string;
  userId?: string;
  workspaceId?: string;
}

/**
 * The one logger; its level can be changed while the service runs. Payloads, tokens and keys are
 * never given to it.
 */
export const logger = pino({
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
});

export function setLevel(level: Level): void {
  logger.level = level;
}
