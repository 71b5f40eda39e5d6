import { readFileSync } from 'node:fs';
import type { WebhookDefinition } from '@octokit/webhooks-examples';
import type { Draft, JsonObject } from '../../src/event.js';

/** An event whose id is the same at every run. */
export type Sample = Draft & { readonly id: string };

/** Real events, and the workspace that they go into. */
export interface Dataset {
  readonly workspace: string;
  readonly what: string;
  readonly samples: readonly Sample[];
}

export function datasets(): readonly [github: Dataset, flights: Dataset] {
  return [
    { workspace: 'github', what: 'GitHub webhook payloads', samples: webhooks() },
    { workspace: 'flights', what: 'flights of 2001', samples: flights() },
  ];
}

/** The example of each webhook, by the name of the webhook and of what happened. */
function webhooks(): Sample[] {
  const definitions = read('@octokit/webhooks-examples', '') as WebhookDefinition[];
  return definitions.flatMap(({ name, examples }) =>
    examples.map((example, index) => ({
      id: `${name}-${index}`,
      type: ['github', name, ...('action' in example ? [example.action] : [])].join('.'),
      payload: example as unknown as JsonObject,
    })),
  );
}

interface Flight extends JsonObject {
  /** `2001/01/01 00:47` */
  date: string;
}

/** In the order of their departure. */
function flights(): Sample[] {
  return (read('vega-datasets', '../data/flights-20k.json') as Flight[]).map((flight, index) => ({
    id: `flight-${index}`,
    type: 'flight.departed',
    time: `${flight.date.replaceAll('/', '-').replace(' ', 'T')}:00Z`,
    payload: flight,
  }));
}

function read(name: string, file: string): unknown {
  const path = new URL(file, import.meta.resolve(name));
  return JSON.parse(readFileSync(path, 'utf8'));
}
