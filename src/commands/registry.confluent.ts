import { readFileSync } from 'node:fs';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { ServiceError } from '../errors.js';
import { pause } from '../pause.js';

/** Every topic holds the same records, so the schema is named after them and not after a topic. */
const SUBJECT = 'workspace-events.Event';

const WAIT_MS = 10_000;
const RETRY_MS = 250;

/** What trying again does not change: not allowed to, or the schema is not what is taken there. */
const REFUSALS = [401, 403, 422];

/**
 * A conflict is the other case of that, or with another node that registers the schema at the same
 * moment: then it is gone at the next try.
 */
const CONFLICT = 409;
const CONFLICTS_MAX = 3;

/** A schema registry with the API of Confluent's. */
export interface RegistryOptions {
  readonly url: string;
  /** Empty without authentication. */
  readonly username?: string;
  readonly password?: string;
}

/**
 * Registers the schema of what the log holds, `schemas/event.json`, which has no effect where that
 * has been done. A registry that is started together with this node may come up later.
 *
 * @returns The id under which every client finds the schema.
 * @throws ServiceError `unavailable` when there is none within `waitMs`; what the registry refuses
 *   as it is.
 */
export async function registerEnvelope(
  { url, username, password }: RegistryOptions,
  subject = SUBJECT,
  waitMs = WAIT_MS,
): Promise<number> {
  const registry = new SchemaRegistry({
    host: url,
    clientId: 'workspace-events',
    retry: { retries: 0 },
    ...(username && { auth: { username, password: password ?? '' } }),
  });
  const over = AbortSignal.timeout(waitMs);
  let failure: unknown;
  // Also when it takes the request and never answers.
  const expiry = new Promise<never>((_, reject) => {
    over.addEventListener('abort', () => {
      const message = `the schema registry ${url} does not answer`;
      reject(new ServiceError('unavailable', message, { cause: failure }));
    });
  });
  const trying = async (): Promise<number> => {
    for (let conflicts = 0; ;) {
      try {
        const { id } = await registry.register(
          { type: SchemaType.JSON, schema: envelope() },
          { subject },
        );
        return id;
      } catch (error) {
        const { status = 0 } = error as { status?: number };
        conflicts += status === CONFLICT ? 1 : 0;
        if (over.aborted || REFUSALS.includes(status) || conflicts > CONFLICTS_MAX) {
          throw error;
        }
        failure = error;
      }
      await pause(RETRY_MS);
    }
  };
  return Promise.race([trying(), expiry]);
}

function envelope(): string {
  return readFileSync(new URL('../../../schemas/event.json', import.meta.url), 'utf8');
}
