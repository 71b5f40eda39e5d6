import { randomUUID } from 'node:crypto';
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ServiceError } from '../errors.js';
import { logger } from '../logger.js';
import { endWith } from './respond.js';

/** What the parser of HTTP says: a code, and for a syntax error the reason. */
type ParserError = NodeJS.ErrnoException & { reason?: string };

/**
 * Answers what is not HTTP, or not in time, as every other mistake is answered; by itself, Node
 * sends a bare status line.
 */
export function answerMalformed(server: Server): void {
  const responses = new WeakMap<Duplex, ServerResponse>();
  server.on('request', ({ socket }, response) => responses.set(socket, response));
  server.on('clientError', (thrown: ParserError, socket) => {
    const response = responses.get(socket);
    const isAnswered = response?.writableFinished ?? true;
    if (!socket.writable || (!isAnswered && response?.headersSent)) {
      // An answer in the middle of another one would be taken for a part of it.
      socket.destroy();
    } else if (!isAnswered && response?.req.complete) {
      // What is wrong comes behind a request that is still to be answered.
      response.once('finish', () => {
        refuse(socket, thrown);
      });
    } else {
      refuse(socket, thrown);
    }
  });
}

function refuse(socket: Duplex, thrown: ParserError): void {
  const error = toldAs(thrown);
  const correlationId = randomUUID();
  logger.info({ correlationId, code: error.code, reason: error.message }, 'malformed request');
  endWith(socket, error, correlationId);
}

function toldAs({ code, reason, message }: ParserError): ServiceError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ServiceError('head-too-large', 'Send a shorter URL and fewer or shorter headers.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new ServiceError('too-large', 'Send chunks without extensions.');
    case 'HPE_INVALID_EOF_STATE':
      return new ServiceError('invalid-request', 'The request broke off before its announced end.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ServiceError('request-timeout', 'The headers took too long.');
    default:
      return new ServiceError('invalid-request', `This is not HTTP/1.1: ${reason ?? message}.`);
  }
}
