import assert from 'node:assert/strict';
import { assertLineDescribed } from './described.js';
import { request } from './client.js';

/** One line of what a cleanup tells. */
export interface CleanupLine {
  readonly workspace?: string;
  readonly log?: number;
  readonly history?: number;
  readonly purge?: true;
  readonly done?: true;
  readonly error?: { readonly code: string };
  readonly total?: Readonly<Record<'workspaces' | 'log' | 'history' | 'purged' | 'failed', number>>;
}

/** Has a node clean up, and gives what that tells; each line is held to its description. */
export async function cleanUp(url: string, query = ''): Promise<CleanupLine[]> {
  const { status, body } = await request(`${url}/sys/cleanup${query}`, { method: 'POST' });
  assert.equal(status, 200, JSON.stringify(body));
  return linesOf(body as string);
}

export function linesOf(text: string): CleanupLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const parsed: unknown = JSON.parse(line);
      assertLineDescribed(parsed);
      return parsed as CleanupLine;
    });
}
